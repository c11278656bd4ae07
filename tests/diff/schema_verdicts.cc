// SPDX-License-Identifier: Apache-2.0
// Lines [schema, value, value, …] on stdin; for each a line of verdicts on stdout: '1' valid, '0'
// not, '?' a limit was reached; or the error of the schema.
#include <cstdio>
#include <iostream>
#include <string>

#include "schema/validator.h"

int main() {
  weft::json::ParseOptions options;
  options.big_integers = weft::json::ParseOptions::BigIntegers::kAsDouble;
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto input = weft::json::parse(line, options);
    if (!input.ok()) {
      std::printf("%s\n", input.error().text().c_str());
      continue;
    }
    const auto& items = input->as_array();
    const auto schema = weft::schema::Schema::parse(items.at(0));
    std::string out = schema.ok() ? "" : schema.error().text();
    for (size_t i = 1; schema.ok() && i < items.size(); ++i) {
      const auto violations = weft::schema::validate(*schema, items[i]);
      out += violations.empty() ? '1' : violations[0].limit ? '?' : '0';
    }
    std::printf("%s\n", out.c_str());
  }
  return 0;
}
