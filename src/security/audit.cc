// SPDX-License-Identifier: Apache-2.0
#include "security/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ctime>

#include "base/strings.h"
#include "obs/log.h"
#include "store/sealer.h"

namespace weft::security {
namespace {

void add_number(std::string& out, uint64_t number) {
  for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(number >> shift & 0xff);
}

void add_text(std::string& out, std::string_view text) {
  add_number(out, text.size());
  out += text;
}

// Requests bring any bytes, and a store that refuses one of them would end its writer: NUL and what
// is not UTF-8 is written as \xNN.
std::string storable(std::string_view text) {
  std::string out;
  for (;;) {
    const size_t good = invalid_utf8_at(text).value_or(text.size());
    for (const char c : text.substr(0, good)) {
      if (c == '\0') {
        out += "\\x00";
      } else {
        out += c;
      }
    }
    if (good == text.size()) return out;
    out += fmt::format("\\x{:02x}", static_cast<uint8_t>(text[good]));
    text.remove_prefix(good + 1);
  }
}

// Without its details, which may be sealed.
AuditRecord record_of(const store::Rows& rows) {
  return {.at_us = rows.int64(3),
          .tenant = std::string(rows.text(4)),
          .user = std::string(rows.text(5)),
          .action = std::string(rows.text(6)),
          .resource = std::string(rows.text(7)),
          .outcome = std::string(rows.text(8))};
}

Error unfit(const store::Rows& rows, std::string_view how) {
  return make_error("E0765",
                    fmt::format("the audit of writer {} epoch {} does not fit at record {}: {}",
                                quoted(rows.text(0)), rows.int64(1), rows.int64(2), how),
                    "a record was changed, removed, inserted or moved after it was written");
}

// "AT WRITER EPOCH N": where a page of records ended.
struct Cursor {
  int64_t at_us = INT64_MAX;
  std::string writer;
  int64_t epoch = 0;
  int64_t n = 0;
};

Result<Cursor> cursor_from(const std::string& text) {
  Cursor out;
  if (text.empty()) return out;
  const auto parts = split(text, '.');
  const auto number = [](std::string_view part, int64_t& value) {
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    return error == std::errc() && end == part.data() + part.size();
  };
  if (parts.size() == 4 && number(parts[0], out.at_us) && number(parts[2], out.epoch) &&
      number(parts[3], out.n)) {
    out.writer = parts[1];
    return out;
  }
  return make_error("E0750", fmt::format("cursor: expected the next_cursor of an earlier answer, "
                                         "found {}", quoted(text)));
}

constexpr std::string_view kAuditColumns =
    "SELECT writer, epoch, n, at_us, tenant, actor, action, resource, outcome, details";

}  // namespace

AuditHead::AuditHead(std::string_view writer, int64_t epoch)
    : hash_(sha256(fmt::format("weft audit\n{}\n{}", writer, epoch))) {}

AuditHead::AuditHead(int64_t length, std::string_view hash) : length_(length) {
  CHECK(hash.size() == hash_.size(), "a link of {} bytes", hash.size());
  std::ranges::transform(hash, hash_.begin(), [](char c) { return static_cast<uint8_t>(c); });
}

void AuditHead::append(const AuditRecord& record, std::string_view details) {
  std::string bytes(hash());
  add_number(bytes, static_cast<uint64_t>(record.at_us));
  for (const std::string* text : {&record.tenant, &record.user, &record.action, &record.resource,
                                  &record.outcome}) {
    add_text(bytes, *text);
  }
  add_text(bytes, details);
  hash_ = sha256(bytes);
  ++length_;
}

store::Place place_of_details(std::string_view writer, int64_t epoch, int64_t n,
                              std::string_view tenant) {
  return {.column = "audit.details", .key = {writer}, .numbers = {epoch, n}, .tenant = tenant};
}

namespace {

// A record is written whatever has become of its tenant's data key: then the store's own seals it.
// Whoever opens it finds the key by its id.
Result<store::Kept> kept_details(store::Db& db, const AuditWriter& writer, int64_t n,
                                 const AuditRecord& record) {
  const auto keep = [&](std::string_view tenant) {
    return store::kept(db, place_of_details(writer.id, writer.epoch, n, tenant), record.details);
  };
  auto details = keep(record.tenant);
  if (details.ok() || details.error().code != "E0510" || record.tenant.empty()) return details;
  obs::log(obs::Level::kError, "audit", "a record of tenant {} is sealed for the store: {}",
           quoted(record.tenant), details.error().text());
  return keep("");
}

}  // namespace

Status write_audit(store::Db& db, const AuditWriter& writer, AuditHead& head,
                   const AuditRecord& given) {
  AuditRecord record = given;
  for (std::string* text : {&record.tenant, &record.user, &record.action, &record.resource,
                            &record.outcome, &record.details}) {
    *text = storable(*text);
  }
  const std::string previous(head.hash());
  const auto details = TRY(kept_details(db, writer, head.length() + 1, record));
  head.append(record, details.bytes());
  return db.post(
      "INSERT INTO audit (writer, epoch, n, at_us, tenant, actor, action, resource, outcome, "
      "details, prev_hash, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
      {writer.id, writer.epoch, head.length(), record.at_us, record.tenant, record.user,
       record.action, record.resource, record.outcome, details.value(),
       store::Value::blob(previous), store::Value::blob(head.hash())});
}

Result<std::vector<AuditRow>> read_audit(store::Db& db, const AuditQuery& query) {
  const Cursor before = TRY(cursor_from(query.before));
  auto rows = TRY(db.query(
      std::string(kAuditColumns)
          .append(" FROM audit WHERE ($1 = 0 OR tenant = $2) AND ($3 = '' OR actor = $3) "
                  "AND ($4 = '' OR action = $4) AND at_us >= $5 AND at_us <= $6 "
                  "AND (at_us, writer, epoch, n) < ($7, $8, $9, $10) "
                  "ORDER BY at_us DESC, writer DESC, epoch DESC, n DESC LIMIT $11"),
      {query.tenant ? 1 : 0, query.tenant.value_or(""), query.user, query.action, query.from_us,
       query.to_us, before.at_us, before.writer, before.epoch, before.n, query.limit}));
  std::vector<AuditRow> out;
  while (TRY(rows->next())) {
    AuditRow row{record_of(*rows), std::string(rows->text(0)), rows->int64(1), rows->int64(2)};
    row.record.details =
        TRY(store::opened(db, place_of_details(row.writer, row.epoch, row.n), rows->text(9)));
    out.push_back(std::move(row));
  }
  return out;
}

std::optional<int64_t> instant_of(std::string_view text) {
  if (text.ends_with('Z')) text.remove_suffix(1);
  constexpr std::string_view kForm = "0000-00-00T00:00:00.000000";
  if (text.size() < 10 || text.size() > kForm.size()) return std::nullopt;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == '0' ? !digit : text[i] != kForm[i] && !(i == 10 && text[i] == ' ')) {
      return std::nullopt;
    }
  }
  const auto number = [&](size_t at, size_t count) {
    int value = 0;
    for (size_t i = at; i < at + count; ++i) {
      value = value * 10 + (i < text.size() ? text[i] - '0' : 0);
    }
    return value;
  };
  if (text.size() != 10 && text.size() != 16 && text.size() < 19) return std::nullopt;
  std::tm parts{};
  parts.tm_year = number(0, 4) - 1900;
  parts.tm_mon = number(5, 2) - 1;
  parts.tm_mday = number(8, 2);
  parts.tm_hour = text.size() >= 16 ? number(11, 2) : 0;
  parts.tm_min = text.size() >= 16 ? number(14, 2) : 0;
  parts.tm_sec = text.size() >= 19 ? number(17, 2) : 0;
  const std::tm given = parts;
  const time_t seconds = ::timegm(&parts);
  if (parts.tm_mday != given.tm_mday || parts.tm_hour != given.tm_hour ||
      parts.tm_min != given.tm_min || parts.tm_sec != given.tm_sec) {
    return std::nullopt;  // the 31st of February, 25 o'clock
  }
  return int64_t{seconds} * 1'000'000 + (text.size() > 20 ? number(20, 6) : 0);
}

std::string cursor_of(const AuditRow& row) {
  return fmt::format("{}.{}.{}.{}", row.record.at_us, row.writer, row.epoch, row.n);
}

namespace {

// Where a chain is verified from, whose first record is number `n`.
AuditHead head_before(const ChainStarts& starts, const std::string& writer, int64_t epoch,
                      int64_t n) {
  const auto chain = starts.find({writer, epoch});
  if (chain != starts.end()) {
    const auto start = chain->second.find(n - 1);
    if (start != chain->second.end()) return AuditHead(start->first, start->second);
  }
  return AuditHead(writer, epoch);
}

}  // namespace

Result<int64_t> verify_audit(store::Db& db, const LinkSeen& seen, const ChainStarts& starts) {
  auto rows = TRY(db.query(
      std::string(kAuditColumns).append(", prev_hash, hash FROM audit ORDER BY writer, epoch, n"),
      {}));
  int64_t count = 0;
  std::string writer;
  int64_t epoch = 0;
  std::optional<AuditHead> head;
  while (TRY(rows->next())) {
    if (!head || rows->text(0) != writer || rows->int64(1) != epoch) {
      writer = rows->text(0);
      epoch = rows->int64(1);
      head.emplace(head_before(starts, writer, epoch, rows->int64(2)));
    }
    if (rows->int64(2) != head->length() + 1) return unfit(*rows, "a record before it is missing");
    if (rows->blob(10) != head->hash()) return unfit(*rows, "the link back is another");
    head->append(record_of(*rows), rows->text(9));
    if (rows->blob(11) != head->hash()) return unfit(*rows, "its content was changed");
    if (seen) seen({writer, epoch, head->length(), head->hash()});
    ++count;
  }
  return count;
}

}  // namespace weft::security
