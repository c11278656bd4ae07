// SPDX-License-Identifier: Apache-2.0
// A template, and behind a zero byte the JSON of its variables: whatever parses renders within its
// bounds, and the marks of the result lie in order inside the text. Without a zero byte the
// variables are those of variables.h.
// sources: src/text/jinja*.cc src/text/unicode.cc
// covers: src/text/jinja*.cc
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/strings.h"
#include "tests/fuzz/variables.h"
#include "text/jinja.h"

namespace {

using namespace weft::text;

constexpr Limits kLimits{.steps = 20'000, .output_bytes = 100'000, .total_bytes = 2'000'000};

// The same source in the engine's other mode, as the long text of a workflow document.
void run_as_workflow_text(std::string_view source) {
  static const weft::json::Value values = weft::json::parse(kFuzzVariables).value();
  const auto parsed = Interpolation::parse(source, {.statements = true});
  if (parsed.ok()) (void)parsed->evaluate(ObjectScope(values.as_object()), kLimits);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t cut = input.find('\0');
  run_as_workflow_text(input.substr(0, cut));
  const auto parsed = Template::parse(std::string(input.substr(0, cut)), "fuzz");
  if (!parsed.ok()) return 0;
  static const auto known = Variables::parse(kFuzzVariables);
  auto variables = cut == input.npos ? known : Variables::parse(input.substr(cut + 1));
  if (!variables.ok()) variables = Variables();
  variables->set("bare", weft::json::Array{1, "two", nullptr});
  variables->set_markup("bos_token", "<s>");
  variables->merge(variables->members_of("d"));
  (void)variables->only({"messages", "d"});
  RenderOptions options;
  options.now = RenderOptions::Time{};
  options.limits = kLimits;
  const auto names = parsed->names();
  const auto text = parsed->render(*variables, options);
  if (!text.ok()) {
    CHECK(text.error().code.starts_with("E013"), "{}", text.error().text());
    return 0;
  }
  CHECK(!weft::invalid_utf8_at(text->text).has_value());
  CHECK(text->text.size() <= options.limits.output_bytes);
  size_t last = 0;
  for (const ByteRange& range : text->data) {
    CHECK(range.begin < range.end && range.end <= text->text.size());
    CHECK(last == 0 || range.begin > last);
    last = range.end;
  }
  return 0;
}
