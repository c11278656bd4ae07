// SPDX-License-Identifier: Apache-2.0
#include "text/jinja_session.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/strings.h"
#include "text/jinja_parser.h"
#include "text/jinja_tables.h"

namespace weft::text::jinja {

using Kind = Value::Kind;

Result<Bound> bind(const Arguments& arguments, const Parameters& parameters,
                   std::string_view what) {
  Bound bound{};
  const auto count = static_cast<size_t>(
      std::find(parameters.begin(), parameters.end(), std::string_view()) - parameters.begin());
  if (arguments.positional.size() > count) {
    return type_error(fmt::format("{} takes at most {} arguments, found {}", what, count,
                                  arguments.positional.size()));
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) bound[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const auto place = std::find(parameters.begin(), parameters.begin() + count, name);
    if (place == parameters.begin() + count) {
      const std::vector<std::string> names(parameters.begin(), parameters.begin() + count);
      return type_error(fmt::format("{} has no parameter {}", what, quoted(name)),
                        names.empty() ? "it takes no arguments" : name_hint(name, names));
    }
    const auto index = static_cast<size_t>(place - parameters.begin());
    if (bound[index]) return type_error(fmt::format("{} got {} twice", what, quoted(name)));
    bound[index] = &value;
  }
  return bound;
}

namespace {
Error wrong_argument(const Call& call, size_t index, std::string_view expected) {
  return type_error(fmt::format("argument {} of '{}' should be {}, found {}", index + 1, call.name,
                                expected, described(*call.bound[index])));
}
}  // namespace

Result<int64_t> integer_argument(const Call& call, size_t index, int64_t otherwise) {
  const Value* value = call.bound[index];
  if (value == nullptr) return otherwise;
  if (value->is(Kind::kBool)) return static_cast<int64_t>(value->boolean());
  if (!value->is(Kind::kInt)) return wrong_argument(call, index, "an integer");
  return value->integer();
}

Result<MarkedText> text_argument(const Call& call, size_t index, std::string_view otherwise) {
  const Value* value = call.bound[index];
  if (value == nullptr) return literal(otherwise);
  if (!value->is(Kind::kString)) return wrong_argument(call, index, "a string");
  return value->string();
}

bool flag_argument(const Call& call, size_t index, bool otherwise) {
  return call.bound[index] ? truth(*call.bound[index]) : otherwise;
}

Error wrong_subject(const Call& call, std::string_view expected) {
  return type_error(
      fmt::format("'{}' needs {}, found {}", call.name, expected, described(call.self)));
}

const Entry* find_entry(std::span<const Entry> table, std::string_view name) {
  for (const Entry& entry : table) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

Result<Value> call_entry(const Entry& entry, std::string_view what, Session& session,
                         const Value& self, const Arguments& arguments) {
  Call call{session, entry.name, self, arguments, {}};
  if (!entry.free_form) {
    call.bound =
        TRY(jinja::bind(arguments, entry.parameters, fmt::format("{} '{}'", what, entry.name)));
  }
  return entry.function(call);
}

namespace {
const Entry* find_filter(std::string_view name) {
  for (const auto table : {text_filters(), list_filters(), value_filters()}) {
    if (const Entry* entry = find_entry(table, name)) return entry;
  }
  return nullptr;
}
}  // namespace

bool known_filter(std::string_view name) {
  return find_filter(name) != nullptr;
}

const std::vector<std::string>& filter_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const auto table : {text_filters(), list_filters(), value_filters()}) {
      for (const Entry& entry : table) out.emplace_back(entry.name);
    }
    std::sort(out.begin(), out.end());
    return out;
  }();
  return names;
}

Result<Value> apply_filter(Session& session, std::string_view name, const Value& self,
                           const Arguments& arguments) {
  const Entry* entry = find_filter(name);
  if (entry == nullptr) {
    return type_error(fmt::format("there is no filter {}", quoted(name)),
                      name_hint(name, filter_names()));
  }
  return call_entry(*entry, "filter", session, self, arguments);
}

}  // namespace weft::text::jinja
