// SPDX-License-Identifier: Apache-2.0
//
// JSON, by Boost.JSON, with what the library leaves open: limits, places in errors, duplicate
// keys refused, numbers written as people expect. json::Value keeps the order of members.
//
// Boost's own number text ("7E-1") is never shown: every number that leaves the program goes
// through number_text(), the shortest decimal that reads back as the same double, in Python's
// form (0.7, 1e-07, 1e+22).
//
// Integers outside the 64-bit ranges are refused by parse() unless `big_integers` says that they
// become strings of their digits (or doubles); parse_events() hands their text on untouched.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weft::json {

using Value = boost::json::value;
using Object = boost::json::object;
using Array = boost::json::array;

struct ParseOptions {
  size_t depth_max = 256;
  size_t bytes_max = size_t{1} << 30;
  enum class BigIntegers { kRefuse, kAsText, kAsDouble } big_integers = BigIntegers::kAsText;
  // All of the value in one arena, given back as a whole: for large documents that are read and
  // dropped. What is taken out of such a value must be copied.
  bool in_arena = false;
};

// One JSON document (RFC 8259), UTF-8. Errors name line and column. E0010 syntax, E0011 limits,
// E0012 duplicate key, E0013 integer too large.
Result<Value> parse(std::string_view text, const ParseOptions& options = {});

// What a reader of events hears, in document order. Every call may refuse with an error.
class Events {
 public:
  virtual ~Events() = default;
  virtual Status object_begin() = 0;
  virtual Status key(std::string_view name) = 0;
  virtual Status object_end() = 0;
  virtual Status array_begin() = 0;
  virtual Status array_end() = 0;
  virtual Status string(std::string_view text) = 0;
  virtual Status int64(int64_t number) = 0;
  virtual Status uint64(uint64_t number) = 0;                // beyond int64
  virtual Status big_integer(std::string_view digits) = 0;   // beyond uint64
  virtual Status float64(double number, std::string_view text) = 0;
  virtual Status boolean(bool value) = 0;
  virtual Status null() = 0;
};
// Duplicate keys are the reader's own business here.
Status parse_events(std::string_view text, Events& events, const ParseOptions& options = {});

struct DumpOptions {
  bool spaces = false;      // ", " and ": " as Python's json.dumps, else compact
  int indent = -1;          // < 0: on one line
  bool sort_keys = false;   // by bytes
  bool ascii_only = false;  // \uXXXX beyond ASCII
};
// NaN and infinities, which JSON cannot hold, are written as null.
std::string dump(const Value& value, const DumpOptions& options = {});
void append_dump(std::string& out, const Value& value, const DumpOptions& options = {});

// The same text for equal values: sorted keys, compact. Input of hashes.
std::string canonical(const Value& value);

// Python's repr(float): 1.0, 0.1, 1e-07, 1e+22, inf, nan.
std::string number_text(double number);

// Appends `text` as a JSON string with quotes. Invalid UTF-8 becomes U+FFFD.
void append_quoted(std::string& out, std::string_view text, bool ascii_only = false);

// "object", "array", "string", "integer", "number", "boolean", "null".
std::string_view kind_name(const Value& value);

// Members of an object, with errors that name the field. E0014 missing field, E0015 wrong type.
// `where` names the document in the message, e.g. "config.json".
Result<const Value*> require(const Object& object, std::string_view field, std::string_view where);
Result<int64_t> require_int(const Object& object, std::string_view field, std::string_view where);
Result<double> require_double(const Object& object, std::string_view field, std::string_view where);
Result<std::string> require_string(const Object& object, std::string_view field,
                                   std::string_view where);

}  // namespace weft::json
