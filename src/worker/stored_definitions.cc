// SPDX-License-Identifier: Apache-2.0
#include "worker/stored_definitions.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "worker/places.h"

namespace weft::worker {
namespace {

StoredDefinition definition_of(const store::Rows& rows) {
  return {.id = std::string(rows.text(0)),
          .version = rows.int64(1),
          .hash = std::string(rows.text(2)),
          .created_us = rows.int64(3),
          .created_by = std::string(rows.text(4))};
}

constexpr std::string_view kDefinitionColumns =
    "SELECT d.id, d.version, d.hash, d.created_us, d.created_by FROM stored_definition d ";

Error changed_meanwhile(const std::string& id, std::string_view found) {
  return make_error("E0756",
                    found.empty() ? fmt::format("there is no definition {} now", quoted(id))
                                  : fmt::format("the definition {} is another one by now, {}",
                                                quoted(id), found),
                    "read it again and put the change on top of it");
}

// Through fallbacks too; {{ }} can only name what is pinned.
void add_sub_names(const workflow::Step& step, std::vector<std::string>& names) {
  const json::Object* parameters = step.parameters.if_object();
  const json::Value* name = parameters != nullptr ? parameters->if_contains("workflow") : nullptr;
  if (step.type == "workflow" && name != nullptr && name->is_string()) {
    const std::string_view text = name->get_string();
    if (text.find("{{") == std::string_view::npos) names.emplace_back(text);
  }
  for (const workflow::Step& fallback : step.fallback()) add_sub_names(fallback, names);
}

}  // namespace

Result<std::vector<StoredDefinition>> list_definitions(store::Db& db, std::string_view tenant) {
  auto rows = TRY(db.query(std::string(kDefinitionColumns)
                               .append("WHERE d.tenant = $1 AND d.hash <> '' AND d.version = "
                                       "(SELECT max(version) FROM stored_definition WHERE tenant "
                                       "= d.tenant AND id = d.id) ORDER BY d.id"),
                           {tenant}));
  std::vector<StoredDefinition> out;
  while (TRY(rows->next())) out.push_back(definition_of(*rows));
  return out;
}

Result<std::vector<StoredDefinition>> definition_versions(store::Db& db, std::string_view tenant,
                                                          std::string_view id) {
  auto rows = TRY(db.query(std::string(kDefinitionColumns)
                               .append("WHERE d.tenant = $1 AND d.id = $2 ORDER BY d.version DESC"),
                           {tenant, id}));
  std::vector<StoredDefinition> out;
  while (TRY(rows->next())) out.push_back(definition_of(*rows));
  return out;
}

Result<std::optional<StoredDefinition>> find_definition(store::Db& db, std::string_view tenant,
                                                        std::string_view id, int64_t version) {
  auto rows = TRY(db.query(
      "SELECT d.id, d.version, d.hash, d.created_us, d.created_by, d.source, "
      "coalesce(p.doc, '') FROM stored_definition d LEFT JOIN definition p ON p.hash = d.hash "
      "WHERE d.tenant = $1 AND d.id = $2 AND ($3 = 0 OR d.version = $3) "
      "ORDER BY d.version DESC LIMIT 1",
      {tenant, id, version}));
  if (!TRY(rows->next()) || rows->text(2).empty()) return std::optional<StoredDefinition>();
  StoredDefinition out = definition_of(*rows);
  const Place place = place_of_source(tenant, out.id, out.version);
  out.source = TRY(store::opened(db, place, rows->text(5)));
  out.document = TRY(store::opened(db, place_of_document(out.hash), rows->text(6)));
  return std::optional(std::move(out));
}

Result<StoredDefinition> change_definition(store::Db& db, const DefinitionChange& change) {
  CHECK(change.workflow == nullptr || change.workflow->id == change.id, "{} as {}",
        change.workflow->id, change.id);
  store::Tx tx = TRY(store::Tx::begin(db));
  StoredDefinition newest;
  {
    auto rows = TRY(db.query(std::string(kDefinitionColumns)
                                 .append("WHERE d.tenant = $1 AND d.id = $2 "
                                         "ORDER BY d.version DESC LIMIT 1"),
                             {change.tenant, change.id}));
    if (TRY(rows->next())) newest = definition_of(*rows);
  }
  const std::string hash = change.workflow != nullptr ? change.workflow->hash : std::string();
  if (change.expected && *change.expected != newest.hash) {
    return changed_meanwhile(change.id, newest.hash);
  }
  if (hash.empty() && newest.hash.empty()) {
    return make_error("E0753", fmt::format("there is no definition {}", quoted(change.id)));
  }
  if (hash == newest.hash) return newest;
  if (!hash.empty()) {
    const auto doc = TRY(store::kept(db, place_of_document(hash), change.workflow->canonical));
    TRY(db.run("INSERT INTO definition (hash, doc) VALUES ($1, $2) ON CONFLICT DO NOTHING",
               {hash, doc.value()}));
  }
  StoredDefinition out{.id = change.id,
                       .version = newest.version + 1,
                       .hash = hash,
                       .created_us = TRY(db.now_ms()) * 1000,
                       .created_by = change.by};
  const Place place = place_of_source(change.tenant, change.id, out.version);
  const auto source = TRY(store::kept(db, place, change.source));
  // Two writers at once: one of them finds the version taken.
  const int64_t inserted = TRY(db.run(
      "INSERT INTO stored_definition (tenant, id, version, hash, source, created_us, created_by) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
      {change.tenant, change.id, out.version, hash, source.value(), out.created_us, change.by}));
  if (inserted == 0) return changed_meanwhile(change.id, "of another writer");
  TRY(tx.commit());
  return out;
}

std::vector<std::string> sub_workflow_names(const workflow::Workflow& workflow) {
  std::vector<std::string> names;
  for (const workflow::Step& step : workflow.steps) add_sub_names(step, names);
  return names;
}

}  // namespace weft::worker
