// SPDX-License-Identifier: Apache-2.0
// A template, and behind a zero byte the JSON of its variables: whatever parses renders within its
// bounds, and the marks of the result lie in order inside the text.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/strings.h"
#include "text/jinja.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::text;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t cut = input.find('\0');
  const auto parsed = Template::parse(std::string(input.substr(0, cut)), "fuzz");
  if (!parsed.ok()) return 0;
  auto variables =
      Variables::parse(cut == input.npos ? std::string_view("{}") : input.substr(cut + 1));
  if (!variables.ok()) variables = Variables();
  variables->set("messages",
                 weft::json::parse(R"([{"role": "user", "content": "<a> b"}])").value());
  RenderOptions options;
  options.now = RenderOptions::Time{};
  options.limits = {.steps = 20'000, .output_bytes = 100'000, .total_bytes = 2'000'000};
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
