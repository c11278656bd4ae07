// SPDX-License-Identifier: Apache-2.0
//
// Errors as values. A function that can fail for a reason outside this program (a file, a
// document, a peer, a person) returns Result<T>; it never throws and never aborts. CHECK is for
// our own bugs only, stays on in release builds, and ends the process.
//
// An error teaches: `message` says what was expected, what was found and where; `hint` says what
// to do next (with the nearest valid name if there is one). `code` is "E" and four digits and has
// a page docs/errors/<code>.md. Ranges: 00 base, 01 text, 02 model and tensor, 03 schema,
// 04 workflow, 05 store, 06 worker, 07 chat, runtime and backend, 08 net, 09 cli.
//
// Rejected: exceptions (a missing hint is invisible at the call), std::expected (not in g++ 12).
#pragma once

#include <fmt/core.h>

#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace weft {

struct Error {
  std::string code;                    // "E0212"
  std::string message;                 // expected, found, where; one sentence, no final stop
  std::string hint;                    // what to do next; may be empty
  std::shared_ptr<const Error> cause;  // the error below, if this one adds a place to it

  // "E0212 message. hint: …", then one indented line for each cause.
  std::string text() const;
};

inline Error make_error(std::string code, std::string message, std::string hint = {}) {
  return Error{std::move(code), std::move(message), std::move(hint), nullptr};
}

// The same error with a place in front, e.g. in_context(error, "config.json").
Error in_context(Error error, std::string_view place);

[[noreturn]] void check_failed(const char* condition, std::string_view detail,
                               std::source_location where);

// Holds a T or an Error. Reading the wrong one is a bug and ends the process.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}    // NOLINT
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return checked(std::source_location::current()); }
  const T& value() const& {
    return const_cast<Result*>(this)->checked(std::source_location::current());
  }
  T&& value() && { return std::move(checked(std::source_location::current())); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& {
    if (ok()) check_failed("!ok()", "error() of a Result that holds a value", {});
    return std::get<1>(state_);
  }
  Error&& error() && {
    if (ok()) check_failed("!ok()", "error() of a Result that holds a value", {});
    return std::get<1>(std::move(state_));
  }

 private:
  T& checked(std::source_location where) {
    if (!ok()) check_failed("ok()", std::get<1>(state_).text(), where);
    return std::get<0>(state_);
  }
  std::variant<T, Error> state_;
};

struct Ok {};
using Status = Result<Ok>;
inline Status ok_status() { return Ok{}; }

}  // namespace weft

// auto x = TRY(f());   f() returns Result<T>: x is the T, or the enclosing function returns the
// error. A statement expression (GNU extension, g++ and clang): no other form reads as plainly.
#define TRY(expression) WEFT_TRY_NUMBERED(expression, __COUNTER__)
// A name of its own for each, so that one TRY may stand inside another. Two steps, because ## takes
// its operands unexpanded.
#define WEFT_TRY_NUMBERED(expression, number) WEFT_TRY_JOINED(expression, number)
#define WEFT_TRY_JOINED(expression, number) WEFT_TRY_NAMED(expression, weft_try_##number)
#define WEFT_TRY_NAMED(expression, name)            \
  __extension__({                                   \
    auto name = (expression);                       \
    if (!name.ok()) return std::move(name).error(); \
    std::move(name).value();                        \
  })

// A condition that only a bug of ours can break. CHECK(a < b) or CHECK(a < b, "a={} b={}", a, b).
#define CHECK(condition, ...)                                                      \
  do {                                                                             \
    if (!(condition)) [[unlikely]]                                                 \
      ::weft::check_failed(#condition, ::weft::check_detail(__VA_ARGS__),          \
                           std::source_location::current());                       \
  } while (false)

namespace weft {
inline std::string check_detail() { return {}; }
template <class... Args>
std::string check_detail(fmt::format_string<Args...> format, Args&&... args) {
  return fmt::format(format, std::forward<Args>(args)...);
}
}  // namespace weft
