// SPDX-License-Identifier: Apache-2.0
#include "worker/csv.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace weft::worker {
namespace {

Error bad_csv(size_t line, std::string message, std::string hint = {}) {
  return make_error("E0605", fmt::format("CSV line {}: {}", line, message), std::move(hint));
}

// Reads one record after the other; `line` counts from 1 and includes lines inside quotes.
class CsvReader {
 public:
  CsvReader(std::string_view text, const CsvOptions& options) : text_(text), options_(options) {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);  // as spreadsheets write it
  }
  bool at_end() const { return at_ == text_.size(); }
  size_t line() const { return line_; }

  Result<std::vector<std::string>> record() {
    std::vector<std::string> fields;
    for (;;) {
      fields.push_back(TRY(field()));
      if (fields.size() > options_.columns_max) {
        return bad_csv(line_, fmt::format("more than {} fields", options_.columns_max));
      }
      if (at_end()) return fields;
      if (text_[at_] == options_.separator) {
        ++at_;
        continue;
      }
      end_of_line();
      return fields;
    }
  }

 private:
  Result<std::string> field() {
    if (!at_end() && text_[at_] == '"') return quoted_field();
    const size_t begin = at_;
    while (!at_end() && text_[at_] != options_.separator && text_[at_] != '\n' &&
           !(text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n')) {
      if (text_[at_] == '"') {
        return bad_csv(line_, "a quote inside a field that does not begin with one",
                       "put the field in quotes and double the quotes inside");
      }
      ++at_;
    }
    return std::string(text_.substr(begin, at_ - begin));
  }

  Result<std::string> quoted_field() {
    const size_t begin_line = line_;
    std::string field;
    for (++at_; !at_end(); ++at_) {
      if (text_[at_] == '"') {
        ++at_;
        if (at_end() || text_[at_] != '"') {
          const bool ends = at_end() || text_[at_] == options_.separator || text_[at_] == '\n' ||
                            text_.substr(at_).starts_with("\r\n");
          if (ends) return field;
          return bad_csv(line_, "text after the closing quote", "double quotes inside a field");
        }
      } else if (text_[at_] == '\n') {
        ++line_;
      }
      field += text_[at_];
    }
    return bad_csv(begin_line, "a quoted field that never ends", "look for a missing quote");
  }

  void end_of_line() {
    if (text_[at_] == '\r') ++at_;
    ++at_;
    ++line_;
  }

  std::string_view text_;
  const CsvOptions& options_;
  size_t at_ = 0;
  size_t line_ = 1;
};

Result<json::Object> named(const std::vector<std::string>& names, std::vector<std::string> fields,
                           size_t line) {
  if (fields.size() != names.size()) {
    return bad_csv(line, fmt::format("expected {} fields as in the header, found {}", names.size(),
                                     fields.size()));
  }
  json::Object row;
  row.reserve(names.size());
  for (size_t i = 0; i < names.size(); ++i) row.emplace(names[i], std::move(fields[i]));
  return row;
}

}  // namespace

Result<json::Array> parse_csv(std::string_view text, const CsvOptions& options) {
  CHECK(options.separator != '"' && options.separator != '\n', "not a separator");
  CsvReader reader(text, options);
  json::Array rows;
  std::vector<std::string> names;
  if (options.header && !reader.at_end()) {
    names = TRY(reader.record());
    std::set<std::string_view> seen;
    for (const std::string& name : names) {
      if (!seen.insert(name).second) {
        return bad_csv(1, fmt::format("column {} stands twice", quoted(name)));
      }
    }
  }
  while (!reader.at_end()) {
    const size_t line = reader.line();
    std::vector<std::string> fields = TRY(reader.record());
    if (fields.size() == 1 && fields[0].empty()) continue;  // an empty line
    if (rows.size() >= options.rows_max) {
      return bad_csv(line, fmt::format("more than {} rows", options.rows_max));
    }
    if (options.header) {
      rows.emplace_back(TRY(named(names, std::move(fields), line)));
    } else {
      json::Array row;
      for (std::string& field : fields) row.emplace_back(std::move(field));
      rows.emplace_back(std::move(row));
    }
  }
  return rows;
}

}  // namespace weft::worker
