// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with a document, as a list: every problem has its place, what was expected, what
// was found, and what to do. All problems of a document are collected before anyone reads them, so
// that a person (or a model that writes workflows) mends them in one go.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"

namespace weft::workflow {

struct Problem {
  std::string code;  // "E0401"
  Place place;       // line and column from 1, columns in characters
  std::string message;
  std::string hint;
};

// [{code, line, column, message, hint}]
json::Array to_json(const std::vector<Problem>& problems);

// "flow.yaml:3:7: E0402 message\n    hint: …" without a final line end.
std::string text(const Problem& problem, std::string_view file);

// The problems of one document, in the order of their places, at most kProblemsMax.
class Problems {
 public:
  static constexpr size_t kProblemsMax = 100;
  void add(std::string code, Place place, std::string message, std::string hint = {});
  bool empty() const { return list_.empty(); }
  size_t size() const { return list_.size(); }
  size_t left_out() const { return left_out_; }
  // Whether further problems are only counted.
  bool full() const { return list_.size() == kProblemsMax; }
  // name_hint() for the next problem. A document may have as many wrong names as right ones, and a
  // hint compares with each: candidates() is asked only for problems that are kept.
  template <class Candidates>
  std::string hint_for(std::string_view name, Candidates&& candidates) const {
    return full() ? std::string() : name_hint(name, candidates());
  }
  std::vector<Problem> take();  // sorted by place

 private:
  std::vector<Problem> list_;
  size_t left_out_ = 0;
};

// The first problem as an error, the others as its causes.
Error to_error(const std::vector<Problem>& problems, std::string_view file);

}  // namespace weft::workflow
