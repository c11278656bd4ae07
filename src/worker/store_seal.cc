// SPDX-License-Identifier: Apache-2.0
#include "worker/store_seal.h"

#include <fmt/format.h>

#include <iterator>
#include <vector>

#include "base/file.h"
#include "base/strings.h"
#include "store/sealer.h"
#include "worker/audit_check.h"
#include "worker/chain_seal.h"
#include "worker/lease.h"
#include "worker/liveness.h"

namespace weft::worker {
namespace {

using store::Form;
using store::Value;

struct SealedColumn {
  std::string_view name;
  std::string_view place = {};  // empty: table.name
  Form form = Form::kText;
};

// A table as worker/places.h binds its values: the columns of its key, texts before numbers.
struct SealedTable {
  std::string_view name;
  std::vector<std::string_view> texts;    // of its primary key
  std::vector<std::string_view> numbers;
  std::vector<SealedColumn> columns;
  std::string_view run = {};     // column with the run whose tenant seals,
  std::string_view tenant = {};  // or with the tenant; neither: the store as a whole
  std::vector<std::string_view> also = {};  // texts that bind besides the key
};

std::vector<SealedTable> sealed_tables() {
  return {
      {"definition", {"hash"}, {}, {{"doc"}}},
      {"stored_definition", {"tenant", "id"}, {"version"}, {{"source"}}, {}, "tenant"},
      {"schedule", {"name"}, {}, {{"body"}, {"refusal"}}},
      {"run", {"id"}, {}, {{"input"}, {"context"}, {"error"}, {"callback_url"}}, "id"},
      {"step", {"run", "path"}, {}, {{"error"}, {"in_hash"}}, "run"},
      {"required_action", {"run", "path"}, {}, {{"body"}}, "run"},
      {"inbox", {"id"}, {}, {{"body"}}, "run", {}, {"run"}},
      {"effect", {"key"}, {}, {{"req_hash"}, {"response"}}, "run"},
      {"ai_call",
       {"run", "path"},
       {"attempt", "n"},
       {{"prompt_hash"}, {"sampler"}, {"prompt_ids", "", Form::kBlob},
        {"output_ids", "", Form::kBlob}, {"reasoning"}, {"grammar"}, {"chosen"}, {"route"}},
       "run"},
      {"ai_partial",
       {"run", "path", "draw"},
       {"first"},
       {{"request"}, {"ids", "", Form::kBlob}, {"logprobs", "", Form::kBlob}},
       "run"},
      {"callback", {"run"}, {}, {{"url", "run.callback_url"}, {"last_error"}}, "run"},
  };
}

constexpr std::string_view kChained[] = {"event", "audit"};

// The row's key, what else binds, its owner and its values, as they were read.
struct PlainRow {
  std::vector<std::string> texts, also;
  std::vector<int64_t> numbers;
  std::string owner;
  std::vector<std::string> values;
};

std::string select_of(const SealedTable& table, bool further) {
  std::vector<std::string> columns;
  std::vector<std::string> key;
  for (const auto& list : {table.texts, table.numbers}) {
    for (const std::string_view name : list) key.emplace_back(name);
  }
  columns = key;
  for (const std::string_view name : table.also) columns.emplace_back(name);
  const std::string_view owner = table.run.empty() ? table.tenant : table.run;
  columns.emplace_back(owner.empty() ? "''" : owner);
  for (const SealedColumn& column : table.columns) columns.emplace_back(column.name);
  std::string sql = fmt::format("SELECT {} FROM {}", join(columns, ", "), table.name);
  if (further) {
    std::vector<std::string> places;
    for (size_t i = 1; i <= key.size(); ++i) places.push_back(fmt::format("${}", i));
    sql += fmt::format(" WHERE ({}) > ({})", join(key, ", "), join(places, ", "));
  }
  return sql + fmt::format(" ORDER BY {} LIMIT ${}", join(key, ", "), further ? key.size() + 1 : 1);
}

PlainRow plain_row(const SealedTable& table, const store::Rows& rows) {
  PlainRow out;
  int at = 0;
  for (size_t i = 0; i < table.texts.size(); ++i) out.texts.emplace_back(rows.text(at++));
  for (size_t i = 0; i < table.numbers.size(); ++i) out.numbers.push_back(rows.int64(at++));
  for (size_t i = 0; i < table.also.size(); ++i) out.also.emplace_back(rows.text(at++));
  out.owner = rows.text(at++);
  for (const SealedColumn& column : table.columns) {
    const bool blob = column.form == Form::kBlob;
    out.values.emplace_back(blob ? rows.blob(at) : rows.text(at));
    ++at;
  }
  return out;
}

Result<std::vector<PlainRow>> read_plain_rows(store::Db& db, const SealedTable& table,
                                              const PlainRow* behind, int64_t limit) {
  std::vector<Value> values;
  if (behind != nullptr) {
    for (const std::string& text : behind->texts) values.emplace_back(text);
    for (const int64_t number : behind->numbers) values.emplace_back(number);
  }
  values.emplace_back(limit);
  auto rows = TRY(db.query(select_of(table, behind != nullptr), store::Values(values)));
  std::vector<PlainRow> out;
  while (TRY(rows->next())) out.push_back(plain_row(table, *rows));
  return out;
}

store::Place place_of_plain(const SealedTable& table, const SealedColumn& column,
                            const PlainRow& row, const std::string& name) {
  store::Place out{.column = column.place.empty() ? std::string_view(name) : column.place};
  size_t at = 0;
  for (const auto* list : {&row.texts, &row.also}) {
    for (const std::string& text : *list) out.key[at++] = text;
  }
  for (size_t i = 0; i < row.numbers.size(); ++i) out.numbers[i] = row.numbers[i];
  if (!table.run.empty()) out.run = row.owner;
  if (!table.tenant.empty()) out.tenant = row.owner;
  return out;
}

Status write_sealed(store::Db& db, const SealedTable& table, const SealedColumn& column,
                    const PlainRow& row, const store::Kept& value) {
  std::vector<Value> values{column.form == Form::kBlob ? value.blob() : value.value()};
  std::string sql = fmt::format("UPDATE {} SET {} = $1 WHERE ", table.name, column.name);
  const auto also = [&](std::string_view name, const Value& wanted) {
    values.push_back(wanted);
    sql += fmt::format("{}{} = ${}", values.size() == 2 ? "" : " AND ", name, values.size());
  };
  for (size_t i = 0; i < row.texts.size(); ++i) also(table.texts[i], row.texts[i]);
  for (size_t i = 0; i < row.numbers.size(); ++i) also(table.numbers[i], row.numbers[i]);
  TRY(db.run(sql, store::Values(values)));
  return ok_status();
}

// How many values of the row were plain.
Result<int64_t> seal_row(store::Db& db, const SealedTable& table, const PlainRow& row) {
  int64_t count = 0;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const SealedColumn& column = table.columns[i];
    if (row.values[i].empty() || store::is_sealed(row.values[i])) continue;
    const std::string name = fmt::format("{}.{}", table.name, column.name);
    const auto kept = TRY(store::kept(db, place_of_plain(table, column, row, name), row.values[i],
                                      column.form));
    TRY(write_sealed(db, table, column, row, kept));
    ++count;
  }
  return count;
}

Result<int64_t> seal_table(store::Db& db, const SealedTable& table, int64_t batch) {
  int64_t count = 0;
  std::vector<PlainRow> rows;
  do {
    const PlainRow last = rows.empty() ? PlainRow{} : std::move(rows.back());
    const bool first = last.texts.empty();
    store::Tx tx = TRY(store::Tx::begin(db));
    rows = TRY(read_plain_rows(db, table, first ? nullptr : &last, batch));
    for (const PlainRow& row : rows) count += TRY(seal_row(db, table, row));
    TRY(tx.commit());
  } while (std::ssize(rows) == batch);
  return count;
}

// Those that could still write plain values, or append to the chains.
Status check_alone(store::Db& db) {
  TRY(end_leases_of_dead(db, known_dead));
  const int64_t processes = TRY(working(db));
  if (processes == 0) return ok_status();
  return make_error("E0512", fmt::format("{} processes work on this store", processes),
                    "stop servers and workers first; one that was killed elsewhere counts until "
                    "its lease ends, 15 s at most");
}

Result<security::Checkpoints> verified_for_sealing(store::Db& db, const StoreSealing& sealing) {
  std::string text;
  if (file_exists(sealing.checkpoints)) text = TRY(read_file(sealing.checkpoints));
  const std::string key = security::public_key(sealing.seed);
  if (!TRY(reseal_open(db))) {
    const auto report = TRY(check_audit(db, text, security::to_hex(key)));
    if (report.problem) return *report.problem;
  }
  return security::read_checkpoints(text, key);
}

// The chains, by an index that only this needs.
Status seal_chains(store::Db& db, const StoreSealing& sealing,
                   const security::Checkpoints& checkpoints, StoreSealed& out) {
  TRY(db.script("CREATE INDEX IF NOT EXISTS event_by_chain ON event (worker, epoch, n)"));
  for (const ChainName& chain : TRY(chains_to_seal(db))) {
    const int64_t values = TRY(seal_chain(db, checkpoints, chain, sealing.batch));
    (chain.kind == "event" ? out.events : out.records) += values;
  }
  TRY(db.script("DROP INDEX IF EXISTS event_by_chain"));
  out.chains = TRY(sign_sealed_chains(db, sealing.checkpoints, sealing.seed));
  return ok_status();
}

}  // namespace

Result<StoreSealed> seal_store(store::Db& db, const StoreSealing& sealing) {
  CHECK(db.sealer() != nullptr, "a store is sealed by its master key");
  const auto phase = [&](std::string_view doing) {
    if (sealing.on_phase) sealing.on_phase(doing);
  };
  StoreSealed out;
  TRY(check_alone(db));
  phase("verifying the history");
  const auto checkpoints = TRY(verified_for_sealing(db, sealing));
  const std::vector<SealedTable> tables = sealed_tables();
  for (const SealedTable& table : tables) {
    phase(fmt::format("sealing {}", table.name));
    out.values += TRY(seal_table(db, table, sealing.batch));
  }
  phase("sealing the journal and the audit");
  TRY(seal_chains(db, sealing, checkpoints, out));
  phase("writing the store anew");
  std::vector<std::string_view> names(std::begin(kChained), std::end(kChained));
  for (const SealedTable& table : tables) names.push_back(table.name);
  out.wiped = TRY(db.rewrite(names));
  phase("verifying once more");
  TRY(verified_for_sealing(db, sealing));
  return out;
}

}  // namespace weft::worker
