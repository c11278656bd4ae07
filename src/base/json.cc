// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/storage_ptr.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "base/strings.h"

namespace weft::json {
namespace {

// Collects text that Boost hands over in parts, and turns Events' errors into parser errors.
struct Handler {
  static constexpr size_t max_object_size = size_t(-1);
  static constexpr size_t max_array_size = size_t(-1);
  static constexpr size_t max_key_size = size_t(-1);
  static constexpr size_t max_string_size = size_t(-1);
  using Code = boost::json::error_code;

  Events* events;
  size_t depth_max;
  size_t depth = 0;
  std::string text;
  std::optional<Error> error;

  bool pass(Status status, Code& ec) {
    if (status.ok()) return true;
    error = std::move(status).error();
    ec = boost::json::error::exception;
    return false;
  }
  bool enter(Code& ec) {
    if (++depth <= depth_max) return true;
    error = make_error("E0011", fmt::format("nested deeper than {} levels", depth_max),
                       "flatten the document");
    ec = boost::json::error::too_deep;
    return false;
  }
  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code& ec) { return enter(ec) && pass(events->object_begin(), ec); }
  bool on_object_end(size_t, Code& ec) { return --depth, pass(events->object_end(), ec); }
  bool on_array_begin(Code& ec) { return enter(ec) && pass(events->array_begin(), ec); }
  bool on_array_end(size_t, Code& ec) { return --depth, pass(events->array_end(), ec); }
  bool on_key_part(std::string_view part, size_t, Code&) { return text += part, true; }
  bool on_key(std::string_view part, size_t, Code& ec) {
    text += part;
    return pass(events->key(std::exchange(text, {})), ec);
  }
  bool on_string_part(std::string_view part, size_t, Code&) { return text += part, true; }
  bool on_string(std::string_view part, size_t, Code& ec) {
    text += part;
    return pass(events->string(std::exchange(text, {})), ec);
  }
  bool on_number_part(std::string_view part, Code&) { return text += part, true; }
  bool on_int64(int64_t number, std::string_view, Code& ec) {
    text.clear();
    return pass(events->int64(number), ec);
  }
  bool on_uint64(uint64_t number, std::string_view, Code& ec) {
    text.clear();
    return pass(events->uint64(number), ec);
  }
  bool on_double(double number, std::string_view part, Code& ec) {
    const std::string whole = std::exchange(text, {}) + std::string(part);
    if (whole.find_first_of(".eE") == std::string::npos) {
      return pass(events->big_integer(whole), ec);
    }
    // Boost's own conversion may be off by an ulp; from_chars is exact.
    const auto parsed = std::from_chars(whole.data(), whole.data() + whole.size(), number);
    if (parsed.ec == std::errc::result_out_of_range) {
      const bool tiny = std::abs(number) < 1;
      number = tiny ? 0.0 : HUGE_VAL;
      if (whole[0] == '-') number = -number;
    }
    return pass(events->float64(number, whole), ec);
  }
  bool on_bool(bool value, Code& ec) { return pass(events->boolean(value), ec); }
  bool on_null(Code& ec) { return pass(events->null(), ec); }
  bool on_comment_part(std::string_view, Code&) { return true; }
  bool on_comment(std::string_view, Code&) { return true; }
};

// Builds a Value from events.
class Builder final : public Events {
 public:
  explicit Builder(const ParseOptions& options)
      : options_(options),
        storage_(options.in_arena
                     ? boost::json::make_shared_resource<boost::json::monotonic_resource>()
                     : boost::json::storage_ptr()),
        root_(storage_) {}
  Value take() { return std::move(root_); }

  Status object_begin() override { return open(Object(storage_)); }
  Status object_end() override { return close(); }
  Status array_begin() override { return open(Array(storage_)); }
  Status array_end() override { return close(); }
  Status key(std::string_view name) override {
    const auto [place, is_new] = stack_.back()->as_object().emplace(name, nullptr);
    member_ = &place->value();
    if (!is_new) {
      return make_error("E0012", fmt::format("key {} stands twice in one object", quoted(name)),
                        "remove one of the two");
    }
    return ok_status();
  }
  Status string(std::string_view text) override { return put(Value(text, storage_)); }
  Status int64(int64_t number) override { return put(Value(number)); }
  Status uint64(uint64_t number) override { return put(Value(number)); }
  Status big_integer(std::string_view digits) override {
    if (options_.big_integers == ParseOptions::BigIntegers::kAsText) {
      return put(Value(digits, storage_));
    }
    if (options_.big_integers == ParseOptions::BigIntegers::kAsDouble) {
      double number = 0;
      const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), number);
      if (read.ec != std::errc()) number = digits[0] == '-' ? -HUGE_VAL : HUGE_VAL;
      return put(Value(number));
    }
    return make_error("E0013", fmt::format("integer {} does not fit into 64 bits", quoted(digits)),
                      "write it as a string");
  }
  Status float64(double number, std::string_view) override { return put(Value(number)); }
  Status boolean(bool value) override { return put(Value(value)); }
  Status null() override { return put(Value(nullptr)); }

 private:
  Value* add(Value value) {
    if (stack_.empty()) return &(root_ = std::move(value));
    if (Array* array = stack_.back()->if_array()) return &array->emplace_back(std::move(value));
    return &(*member_ = std::move(value));
  }
  Status put(Value value) {
    add(std::move(value));
    return ok_status();
  }
  Status open(Value container) {
    stack_.push_back(add(std::move(container)));
    return ok_status();
  }
  Status close() {
    stack_.pop_back();
    return ok_status();
  }

  const ParseOptions& options_;
  boost::json::storage_ptr storage_;
  Value root_;
  std::vector<Value*> stack_;  // a parent's storage does not move while a child is open
  Value* member_ = nullptr;    // of the innermost object, whose value comes next
};

Error placed(Error error, std::string_view text, size_t offset) {
  const Place place = place_of(text, offset);
  error.message = fmt::format("line {} column {}: {}", place.line, place.column, error.message);
  return error;
}

class Dumper {
 public:
  Dumper(std::string& out, const DumpOptions& options) : options_(options), out_(out) {}

  void write(const Value& value, int depth) {  // NOLINT(misc-no-recursion): depth <= parse depth
    switch (value.kind()) {
      case boost::json::kind::null: out_ += "null"; break;
      case boost::json::kind::bool_: out_ += value.get_bool() ? "true" : "false"; break;
      case boost::json::kind::int64: out_ += std::to_string(value.get_int64()); break;
      case boost::json::kind::uint64: out_ += std::to_string(value.get_uint64()); break;
      case boost::json::kind::double_: write_double(value.get_double()); break;
      case boost::json::kind::string:
        append_quoted(out_, std::string_view(value.get_string()), options_.ascii_only);
        break;
      case boost::json::kind::array: write_array(value.get_array(), depth); break;
      case boost::json::kind::object: write_object(value.get_object(), depth); break;
    }
  }

 private:
  void write_double(double number) {
    out_ += std::isfinite(number) ? number_text(number) : std::string("null");
  }
  void separate(bool first, int depth) {
    if (!first) out_ += options_.spaces && options_.indent < 0 ? ", " : ",";
    if (options_.indent >= 0) new_line(depth);
  }
  void new_line(int depth) {
    out_ += '\n';
    out_.append(static_cast<size_t>(options_.indent * depth), ' ');
  }
  void write_array(const Array& array, int depth) {  // NOLINT(misc-no-recursion)
    out_ += '[';
    bool first = true;
    for (const Value& item : array) {
      separate(first, depth + 1);
      first = false;
      write(item, depth + 1);
    }
    if (options_.indent >= 0 && !first) new_line(depth);
    out_ += ']';
  }
  void write_object(const Object& object, int depth) {  // NOLINT(misc-no-recursion)
    out_ += '{';
    if (options_.sort_keys) {
      std::vector<const boost::json::key_value_pair*> members;
      members.reserve(object.size());
      for (const auto& member : object) members.push_back(&member);
      std::sort(members.begin(), members.end(),
                [](const auto* a, const auto* b) { return a->key() < b->key(); });
      for (const auto* member : members) write_member(*member, member == members[0], depth + 1);
    } else {
      for (const auto& member : object) write_member(member, &member == object.begin(), depth + 1);
    }
    if (options_.indent >= 0 && !object.empty()) new_line(depth);
    out_ += '}';
  }
  void write_member(const boost::json::key_value_pair& member,  // NOLINT(misc-no-recursion)
                    bool first, int depth) {
    separate(first, depth);
    append_quoted(out_, std::string_view(member.key()), options_.ascii_only);
    out_ += options_.spaces || options_.indent >= 0 ? ": " : ":";
    write(member.value(), depth);
  }

  const DumpOptions& options_;
  std::string& out_;
};

Error wrong_type(std::string_view where, std::string_view field, std::string_view expected,
                 const Value& found) {
  return make_error("E0015", fmt::format("{}: field '{}' should be {}, found {}", where, field,
                                         expected, kind_name(found)));
}

// What is wrong, where the library's own words do not say it.
std::string syntax_text(const Handler::Code& ec, std::string_view text, size_t used) {
  using boost::json::error;
  if (ec == error::incomplete) return "JSON ends too early";
  // The first half with anything else behind it is but a syntax error to the library.
  const std::string_view before = text.substr(0, used);
  const size_t escape = before.rfind("\\u");
  const bool half = escape != before.npos && used - escape <= 8 && used - escape > 3 &&
                    std::string_view("dD").find(before[escape + 2]) != before.npos &&
                    std::string_view("89abAB").find(before[escape + 3]) != before.npos;
  if (half || ec == error::illegal_leading_surrogate || ec == error::illegal_trailing_surrogate) {
    return "half of a surrogate pair: \\ud800 to \\udfff stand in pairs only";
  }
  const auto invalid = invalid_utf8_at(text);
  if (invalid && *invalid <= used + 3) return "not valid JSON: its bytes are not UTF-8";
  return fmt::format("not valid JSON: {}", ec.message());
}

}  // namespace

Status parse_events(std::string_view text, Events& events, const ParseOptions& options) {
  if (text.size() > options.bytes_max) {
    return make_error("E0011", fmt::format("document has {} bytes, at most {} are read",
                                           text.size(), options.bytes_max));
  }
  boost::json::parse_options boost_options;
  boost_options.max_depth = options.depth_max + 1;
  boost::json::basic_parser<Handler> parser(
      boost_options, Handler{&events, options.depth_max, 0, {}, std::nullopt});
  Handler::Code ec;
  const size_t used = parser.write_some(false, text.data(), text.size(), ec);
  size_t end = used;
  constexpr std::string_view kSpace = " \t\r\n";
  while (!ec && end < text.size() && kSpace.find(text[end]) != text.npos) ++end;
  if (parser.handler().error) return placed(*parser.handler().error, text, used);
  if (ec) {
    return placed(make_error("E0010", syntax_text(ec, text, used)), text, used);
  }
  if (end < text.size()) {
    return placed(make_error("E0010", "text follows after the end of the JSON value"), text, end);
  }
  return ok_status();
}

Result<Value> parse(std::string_view text, const ParseOptions& options) {
  Builder builder(options);
  TRY(parse_events(text, builder, options));
  return builder.take();
}

std::string dump(const Value& value, const DumpOptions& options) {
  std::string out;
  append_dump(out, value, options);
  return out;
}

void append_dump(std::string& out, const Value& value, const DumpOptions& options) {
  Dumper(out, options).write(value, 0);
}

std::string canonical(const Value& value) { return dump(value, {.sort_keys = true}); }

std::string number_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto [end, ec] =
      std::to_chars(buffer, buffer + sizeof(buffer), number, std::chars_format::scientific);
  CHECK(ec == std::errc());
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  const size_t e = text.find('e');
  int exponent = 0;
  const char* digits_of_exponent = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits_of_exponent, end, exponent);
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  const int count = static_cast<int>(digits.size());
  std::string out = text[0] == '-' ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (count > 1) out += "." + digits.substr(1);
    return out + fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) {
    return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  }
  if (count <= exponent + 1) {
    return out + digits + std::string(static_cast<size_t>(exponent + 1 - count), '0') + ".0";
  }
  return out + digits.substr(0, static_cast<size_t>(exponent) + 1) + "." +
         digits.substr(static_cast<size_t>(exponent) + 1);
}

void append_quoted(std::string& out, std::string_view text, bool ascii_only) {
  out += '"';
  size_t at = 0;
  while (at < text.size()) {
    const auto byte = static_cast<uint8_t>(text[at]);
    if (byte >= 0x80) {
      const size_t bad = invalid_utf8_at(text.substr(at, 4)).value_or(4);
      size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
      uint32_t code_point = 0xFFFD;
      if (bad == 0) {
        length = 1;
      } else {
        code_point = byte & (0x7F >> length);
        for (size_t i = 1; i < length; ++i) code_point = code_point << 6 | (text[at + i] & 0x3F);
      }
      if (!ascii_only) {
        out += bad == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(at, length);
      } else if (code_point < 0x10000) {
        out += fmt::format("\\u{:04x}", code_point);
      } else {
        out += fmt::format("\\u{:04x}\\u{:04x}", 0xD7C0 + (code_point >> 10),
                           0xDC00 + (code_point & 0x3FF));
      }
      at += length;
      continue;
    }
    switch (byte) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      default:
        if (byte < 0x20) {
          out += fmt::format("\\u{:04x}", byte);
        } else {
          out += static_cast<char>(byte);
        }
    }
    ++at;
  }
  out += '"';
}

std::string_view kind_name(const Value& value) {
  switch (value.kind()) {
    case boost::json::kind::null: return "null";
    case boost::json::kind::bool_: return "boolean";
    case boost::json::kind::int64:
    case boost::json::kind::uint64: return "integer";
    case boost::json::kind::double_: return "number";
    case boost::json::kind::string: return "string";
    case boost::json::kind::array: return "array";
    case boost::json::kind::object: return "object";
  }
  return "unknown";
}

Result<const Value*> require(const Object& object, std::string_view field, std::string_view where) {
  if (const Value* value = object.if_contains(field)) return value;
  std::vector<std::string> names;
  for (const auto& member : object) names.emplace_back(member.key());
  const auto nearest = nearest_name(field, names);
  return make_error("E0014", fmt::format("{}: field '{}' is missing", where, field),
                    nearest ? fmt::format("there is a field '{}'", *nearest) : "");
}

Result<int64_t> require_int(const Object& object, std::string_view field, std::string_view where) {
  const Value* value = TRY(require(object, field, where));
  if (value->is_int64()) return value->get_int64();
  return wrong_type(where, field, "an integer", *value);
}

Result<double> require_double(const Object& object, std::string_view field,
                              std::string_view where) {
  const Value* value = TRY(require(object, field, where));
  if (value->is_double()) return value->get_double();
  if (value->is_int64()) return static_cast<double>(value->get_int64());
  return wrong_type(where, field, "a number", *value);
}

Result<std::string> require_string(const Object& object, std::string_view field,
                                   std::string_view where) {
  const Value* value = TRY(require(object, field, where));
  if (value->is_string()) return std::string(value->get_string());
  return wrong_type(where, field, "a string", *value);
}

}  // namespace weft::json
