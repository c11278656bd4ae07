// SPDX-License-Identifier: Apache-2.0
#include "workflow/problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace weft::workflow {

std::string text(const Problem& problem, std::string_view file) {
  std::string out = fmt::format("{}:{}:{}: {} {}", file, problem.place.line, problem.place.column,
                                problem.code, problem.message);
  if (!problem.hint.empty()) out += "\n    hint: " + problem.hint;
  return out;
}

void Problems::add(std::string code, Place place, std::string message, std::string hint) {
  if (full()) {
    ++left_out_;
    return;
  }
  list_.push_back({std::move(code), place, std::move(message), std::move(hint)});
}

std::vector<Problem> Problems::take() {
  std::stable_sort(list_.begin(), list_.end(), [](const Problem& a, const Problem& b) {
    return std::pair(a.place.line, a.place.column) < std::pair(b.place.line, b.place.column);
  });
  return std::move(list_);
}

json::Array to_json(const std::vector<Problem>& problems) {
  json::Array out;
  for (const Problem& problem : problems) {
    out.push_back(json::Object{{"code", problem.code},
                               {"line", problem.place.line},
                               {"column", problem.place.column},
                               {"message", problem.message},
                               {"hint", problem.hint}});
  }
  return out;
}

Error to_error(const std::vector<Problem>& problems, std::string_view file) {
  CHECK(!problems.empty());
  std::shared_ptr<const Error> cause;
  Error error;
  for (auto p = problems.rbegin(); p != problems.rend(); ++p) {
    error = make_error(p->code,
                       fmt::format("{}:{}:{}: {}", file, p->place.line, p->place.column,
                                   p->message),
                       p->hint);
    error.cause = cause;
    cause = std::make_shared<Error>(error);
  }
  return error;
}

}  // namespace weft::workflow
