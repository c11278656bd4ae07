// SPDX-License-Identifier: Apache-2.0
#include "text/jinja_print.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace weft::text::jinja {
namespace {

using Kind = Value::Kind;

// Appends Python's repr() of values to one string, paying for every byte.
class Printer {
 public:
  explicit Printer(Budget& budget) : budget_(budget) {}

  Status add(std::string_view text) {
    append_data(out_, text);
    return check();
  }
  Status add(const MarkedText& text) {
    append(out_, text);
    return check();
  }

  Status repr(const Value& value) {  // NOLINT(misc-no-recursion)
    TRY(budget_.pay_steps(1));
    switch (value.kind()) {
      case Kind::kNone:
        return add("None");
      case Kind::kBool:
        return add(value.boolean() ? "True" : "False");
      case Kind::kInt:
        return add(std::to_string(value.integer()));
      case Kind::kBig:
        return add(value.digits());
      case Kind::kFloat:
        return add(json::number_text(value.number()));
      case Kind::kString:
        return add(quoted_as_python(value.string()));
      case Kind::kList:
        return list(value.list());
      case Kind::kDict:
        return dict(value.dict());
      case Kind::kUndefined:
        return add("Undefined");
      default:
        return type_error(fmt::format("{} cannot be printed", described(value)));
    }
  }

  Result<MarkedText> take() {
    TRY(budget_.pay_bytes(out_.text.size()));
    return std::move(out_);
  }

 private:
  Status check() {
    if (out_.text.size() <= budget_.string_bytes) return ok_status();
    return limit_error(fmt::format("a text has more than {} bytes", budget_.string_bytes));
  }

  Status list(const List& list) {  // NOLINT(misc-no-recursion)
    TRY(add(list.is_tuple() ? "(" : "["));
    for (size_t i = 0; i < list.size(); ++i) {
      if (i > 0) TRY(add(", "));
      TRY(repr(list.at(i)));
    }
    if (!list.is_tuple()) return add("]");
    return add(list.size() == 1 ? ",)" : ")");
  }

  Status dict(const Dict& dict) {  // NOLINT(misc-no-recursion)
    TRY(add("{"));
    bool first = true;
    for (const Dict::Item& item : dict.items()) {
      if (!first) TRY(add(", "));
      first = false;
      TRY(repr(item.first));
      TRY(add(": "));
      TRY(repr(item.second));
    }
    return add("}");
  }

  Budget& budget_;
  MarkedText out_;
};

class JsonPrinter {
 public:
  JsonPrinter(Budget& budget, const JsonOptions& options) : budget_(budget), options_(options) {}

  Status write(const Value& value, int depth) {  // NOLINT(misc-no-recursion)
    TRY(budget_.pay_steps(1));
    switch (value.kind()) {
      case Kind::kNone:
        return add("null");
      case Kind::kBool:
        return add(value.boolean() ? "true" : "false");
      case Kind::kInt:
        return add(std::to_string(value.integer()));
      case Kind::kBig:
        return add(value.digits());
      case Kind::kFloat:
        return add(float_text(value.number()));
      case Kind::kString:
        return string(value.string());
      case Kind::kList:
        return list(value.list(), depth);
      case Kind::kDict:
        return dict(value.dict(), depth);
      case Kind::kUndefined:
        return make_error("E0132", value.undefined().message + ", so it has no JSON form",
                          value.undefined().hint);
      default:
        return type_error(fmt::format("{} has no JSON form", described(value)));
    }
  }

  Result<MarkedText> take() {
    TRY(budget_.pay_bytes(out_.text.size()));
    return std::move(out_);
  }

 private:
  Status add(std::string_view text) {
    append_data(out_, text);
    if (out_.text.size() <= budget_.string_bytes) return ok_status();
    return limit_error(fmt::format("a text has more than {} bytes", budget_.string_bytes));
  }

  // json.dumps writes what JSON cannot hold with JavaScript's words.
  static std::string float_text(double number) {
    if (std::isnan(number)) return "NaN";
    if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
    return json::number_text(number);
  }

  // Runs of plain characters keep their marks; an escape counts as data.
  Status string(const MarkedText& text) {
    TRY(add("\""));
    size_t begin = 0;
    for (size_t at = 0; at < text.text.size();) {
      const CodePoint c = code_point_at(text.text, at);
      const std::string escaped = escape(c.value);
      if (!escaped.empty()) {
        append_slice(out_, text, begin, at);
        TRY(add(escaped));
        begin = at + c.bytes;
      }
      at += c.bytes;
    }
    append_slice(out_, text, begin, text.text.size());
    return add("\"");
  }

  std::string escape(char32_t c) const {
    switch (c) {
      case '"':
        return "\\\"";
      case '\\':
        return "\\\\";
      case '\n':
        return "\\n";
      case '\r':
        return "\\r";
      case '\t':
        return "\\t";
      case '\b':
        return "\\b";
      case '\f':
        return "\\f";
      default:
        break;
    }
    const auto code = static_cast<uint32_t>(c);
    if (code < 0x20 || (options_.ascii_only && code >= 0x7F && code < 0x10000)) {
      if (code != 0x7F) return fmt::format("\\u{:04x}", code);
    }
    if (options_.ascii_only && code >= 0x10000) {
      return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((code - 0x10000) >> 10),
                         0xDC00 + ((code - 0x10000) & 0x3FF));
    }
    return {};
  }

  Status separate(bool first, int depth) {
    if (!first) TRY(add(options_.item_separator));
    if (options_.indent >= 0) TRY(new_line(depth));
    return ok_status();
  }
  Status new_line(int depth) {
    const size_t width = static_cast<size_t>(options_.indent) * static_cast<size_t>(depth);
    TRY(budget_.pay_string(width));
    return add("\n" + std::string(width, ' '));
  }

  Status list(const List& list, int depth) {  // NOLINT(misc-no-recursion)
    if (list.size() == 0) return add("[]");
    TRY(add("["));
    for (size_t i = 0; i < list.size(); ++i) {
      TRY(separate(i == 0, depth + 1));
      TRY(write(list.at(i), depth + 1));
    }
    if (options_.indent >= 0) TRY(new_line(depth));
    return add("]");
  }

  Status dict(const Dict& dict, int depth) {  // NOLINT(misc-no-recursion)
    std::vector<Dict::Item> items = dict.items();
    if (items.empty()) return add("{}");
    if (options_.sort_keys) TRY(sort(items));
    TRY(add("{"));
    bool first = true;
    for (const Dict::Item& item : items) {
      TRY(separate(first, depth + 1));
      first = false;
      if (item.first.is(Kind::kString)) {
        TRY(string(item.first.string()));
      } else {
        TRY(add("\""));
        TRY(write(item.first, depth + 1));
        TRY(add("\""));
      }
      TRY(add(options_.key_separator));
      TRY(write(item.second, depth + 1));
    }
    if (options_.indent >= 0) TRY(new_line(depth));
    return add("}");
  }

  Status sort(std::vector<Dict::Item>& items) {
    for (const Dict::Item& item : items) {
      if (!item.first.is(Kind::kString)) {
        return type_error("sort_keys needs keys that are strings");
      }
    }
    std::stable_sort(items.begin(), items.end(), [](const Dict::Item& a, const Dict::Item& b) {
      return a.first.string().text < b.first.string().text;
    });
    return ok_status();
  }

  Budget& budget_;
  const JsonOptions& options_;
  MarkedText out_;
};

}  // namespace

Result<MarkedText> repr_of(Budget& budget, const Value& value) {
  Printer printer(budget);
  TRY(printer.repr(value));
  return printer.take();
}

Result<MarkedText> text_of(Budget& budget, const Value& value) {
  if (value.is(Kind::kUndefined)) return MarkedText{};
  if (value.is(Kind::kString)) {
    TRY(budget.pay_string(value.string().text.size()));
    return value.string();
  }
  return repr_of(budget, value);
}

Result<MarkedText> json_text(Budget& budget, const Value& value, const JsonOptions& options) {
  JsonPrinter printer(budget, options);
  TRY(printer.write(value, 0));
  return printer.take();
}

}  // namespace weft::text::jinja
