// SPDX-License-Identifier: Apache-2.0
// Any bytes as evaluation cases, as an earlier report, as floors and as a model's answer: read or
// refused with a place; what reads as cases can be scored, reported, compared with itself.
// covers: src/eval/*.cc
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "eval/document.h"
#include "text/json_spelling.h"

namespace {

using namespace weft;

void report(const std::vector<eval::Case>& cases, std::string_view answer) {
  eval::Answer given = eval::answer_of_text(std::string(answer));
  given.spellings = {{std::string(answer), {{std::string(answer), -1.0F}}}};
  std::vector<eval::CaseResult> results;
  for (const eval::Case& item : cases) results.push_back(eval::score(item, given));
  const eval::Report made = eval::make_report({}, std::move(results));
  auto baseline = eval::read_baseline(json::dump(eval::to_json(made)), "itself");
  CHECK(baseline.ok(), "{}", baseline.error().text());
  const eval::Comparison same = eval::compare(made, std::move(baseline).value());
  CHECK(same.changed.empty() && same.only_before == 0 && same.only_now == 0);
  const eval::Document document = eval::make_document(made, {.comparison = &same});
  CHECK(!eval::html(document).empty() && !eval::markdown(document).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto cases = eval::read_cases(text, "cases.jsonl");
  if (cases.ok() && cases->size() <= 100) report(*cases, text);
  if (cases.ok() && cases->size() <= 100) report(*cases, cases->at(0).input_text());
  (void)eval::read_baseline(text, "old.json");
  (void)eval::read_floors(text, "floors.json");
  (void)text::value_range(text, "a");
  (void)text::value_range(text, "/a/b");
  return 0;
}
