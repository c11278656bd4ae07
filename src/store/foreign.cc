// SPDX-License-Identifier: Apache-2.0
#include "store/foreign.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "store/postgres.h"

namespace weft::store {
namespace {

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_name(char c) { return is_name_start(c) || (c >= '0' && c <= '9'); }

// Where the quoted text or comment that begins at `at` ends (behind it); `at` if none begins there.
Result<size_t> skip_quoted(std::string_view sql, size_t at) {
  const auto unended = [&] {
    return make_error("E0626", fmt::format("the quote or comment at byte {} does not end", at));
  };
  const char c = sql[at];
  if (c == '\'' || c == '"') {
    for (size_t i = at + 1; i < sql.size(); ++i) {
      if (sql[i] != c) continue;
      if (i + 1 < sql.size() && sql[i + 1] == c) {
        ++i;
        continue;
      }
      return i + 1;
    }
    return unended();
  }
  if (sql.substr(at).starts_with("--")) return std::min(sql.find('\n', at), sql.size());
  if (sql.substr(at).starts_with("/*")) {
    const size_t end = sql.find("*/", at + 2);
    if (end == std::string_view::npos) return unended();
    return end + 2;
  }
  if (c != '$') return at;
  size_t end = at + 1;  // PostgreSQL's $tag$ … $tag$
  while (end < sql.size() && is_name(sql[end])) ++end;
  if (end >= sql.size() || sql[end] != '$') return at;
  const std::string_view tag = sql.substr(at, end + 1 - at);
  const size_t close = sql.find(tag, end + 1);
  if (close == std::string_view::npos) return unended();
  return close + tag.size();
}

}  // namespace

Result<NumberedSql> numbered(std::string_view sql) {
  NumberedSql out;
  for (size_t at = 0; at < sql.size();) {
    const size_t behind = TRY(skip_quoted(sql, at));
    if (behind > at) {
      out.sql += sql.substr(at, behind - at);
      at = behind;
      continue;
    }
    if (sql.substr(at).starts_with("::")) {
      out.sql += "::";
      at += 2;
      continue;
    }
    if (sql[at] != ':' || at + 1 >= sql.size() || !is_name_start(sql[at + 1])) {
      out.sql += sql[at++];
      continue;
    }
    size_t end = at + 1;
    while (end < sql.size() && is_name(sql[end])) ++end;
    const std::string name(sql.substr(at + 1, end - at - 1));
    auto known = std::find(out.names.begin(), out.names.end(), name);
    if (known == out.names.end()) known = out.names.insert(known, name);
    out.sql += fmt::format("${}", known - out.names.begin() + 1);
    at = end;
  }
  return out;
}

bool only_reads(std::string_view sql) {
  std::string_view rest = trim(sql);
  while (rest.starts_with("--") || rest.starts_with("/*")) {
    const auto behind = skip_quoted(rest, 0);
    if (!behind.ok()) return false;
    rest = trim(rest.substr(*behind));
  }
  std::string word;
  for (const char c : rest) {
    if (!is_name(c)) break;
    word += static_cast<char>(c | 0x20);
  }
  return word == "select" || word == "values" || word == "show" || word == "explain" ||
         word == "table";
}

Result<json::Object> ask_database(const std::string& url, const ForeignQuery& query) {
  if (is_postgres_url(url)) return ask_postgres(url, query);
  if (url.starts_with("sqlite:")) return ask_sqlite(url.substr(7), query);
  return make_error("E0626", "the database's address is neither sqlite:PATH nor postgres://…");
}

}  // namespace weft::store
