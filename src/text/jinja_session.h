// SPDX-License-Identifier: Apache-2.0
//
// What filters, tests, methods and functions share during one evaluation, and how they see their
// arguments. They are plain functions in tables (jinja_filters.cc, jinja_tests.cc,
// jinja_methods.cc, jinja_functions.cc): a table names the parameters, bind() puts the arguments
// in their places, so that every function knows exactly what it got.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/jinja_value.h"

namespace weft::text::jinja {

struct Session {
  Budget budget;
  bool strict = false;  // workflow mode
  std::optional<RenderOptions::Time> now;
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

inline constexpr size_t kParametersMax = 4;
using Parameters = std::array<std::string_view, kParametersMax>;  // unused ones are empty
using Bound = std::array<const Value*, kParametersMax>;           // null: not given

// Everything a table function gets. `self` is the subject of a filter, test or method.
struct Call {
  Session& session;
  std::string_view name;
  const Value& self;
  const Arguments& arguments;
  Bound bound{};
};

// `what` stands in messages: "filter 'join'". `free_form`: the function reads `arguments` itself.
Result<Bound> bind(const Arguments& arguments, const Parameters& parameters, std::string_view what);

// Arguments as C++ values; an argument not given yields `otherwise`.
Result<int64_t> integer_argument(const Call& call, size_t index, int64_t otherwise);
Result<MarkedText> text_argument(const Call& call, size_t index, std::string_view otherwise);
bool flag_argument(const Call& call, size_t index, bool otherwise);
Error wrong_subject(const Call& call, std::string_view expected);

Result<Value> apply_filter(Session& session, std::string_view name, const Value& self,
                           const Arguments& arguments);
Result<bool> apply_test(Session& session, std::string_view name, const Value& self,
                        const Arguments& arguments);
bool has_method(const Value& self, std::string_view name);
std::vector<std::string> method_names(const Value& self);
Result<Value> apply_method(Session& session, std::string_view name, const Value& self,
                           const Arguments& arguments);
bool known_function(std::string_view name);
std::vector<std::string> function_names();
Result<Value> apply_function(Session& session, std::string_view name, const Arguments& arguments);

}  // namespace weft::text::jinja
