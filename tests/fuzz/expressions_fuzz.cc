// SPDX-License-Identifier: Apache-2.0
// A string of a workflow document: parses or not, and then evaluates or not, always within its
// bounds and always to the same result. What belongs to templates alone is left to their target.
// sources: src/text/jinja*.cc src/text/unicode.cc
// covers: src/text/jinja_access.cc src/text/jinja_compare.cc src/text/jinja_e*.cc
// covers: src/text/jinja_lexer.cc src/text/jinja_*filters.cc src/text/jinja_methods.cc
// covers: src/text/jinja_names.cc src/text/jinja_print.cc src/text/jinja_tests.cc
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/strings.h"
#include "tests/fuzz/variables.h"
#include "text/jinja.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::text;
  static const weft::json::Value variables = weft::json::parse(kFuzzVariables).value();
  const ObjectScope scope(variables.as_object());
  const Limits limits{.steps = 20'000, .output_bytes = 100'000, .total_bytes = 2'000'000};
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  for (const bool statements : {false, true}) {
    const auto parsed = Interpolation::parse(source, {.statements = statements});
    if (!parsed.ok()) {
      CHECK(parsed.error().code.starts_with("E013"), "{}", parsed.error().text());
      continue;
    }
    (void)parsed->names();
    const auto first = parsed->evaluate(scope, limits);
    const auto second = parsed->evaluate(scope, limits);
    CHECK(first.ok() == second.ok());
    if (first.ok()) {
      CHECK(weft::json::dump(*first) == weft::json::dump(*second));
      CHECK(parsed->is_single() || first->is_string());
    } else {
      CHECK(first.error().code.starts_with("E013"), "{}", first.error().text());
    }
    (void)parsed->evaluate_condition(scope, limits);
    const auto text = parsed->evaluate_text(scope, limits);
    CHECK(!text.ok() || !weft::invalid_utf8_at(text->text).has_value());
    CHECK(!parsed->is_constant() || first.ok());
  }
  const auto expression = Expression::parse(source);
  if (!expression.ok()) return 0;
  // line breaks become \n, as in templates: the same expression all the same
  CHECK(Expression::parse(expression->source()).ok(), "{}", expression->source());
  (void)expression->names();
  (void)expression->evaluate(scope, limits);
  (void)expression->evaluate_condition(scope, limits);
  return 0;
}
