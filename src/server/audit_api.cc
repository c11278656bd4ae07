// SPDX-License-Identifier: Apache-2.0
#include "server/audit_api.h"

#include <fmt/format.h>

#include "base/digest.h"
#include "base/file.h"
#include "security/audit.h"
#include "security/audit_text.h"
#include "server/access.h"
#include "server/fields.h"
#include "server/openai_error.h"
#include "server/problem.h"
#include "server/replay_api.h"
#include "server/runs.h"
#include "worker/audit_check.h"
#include "worker/schema.h"

namespace weft::server {
namespace {

constexpr int64_t kRecordsMax = 1000;
constexpr size_t kTargetBytesMax = 200;

security::AuditRecord record_of(const security::Caller& caller, std::string_view action) {
  security::AuditRecord out;
  out.tenant = caller.tenant;
  out.user = caller.key.empty() ? caller.name : fmt::format("{} ({})", caller.name, caller.key);
  out.action = action;
  return out;
}

// Payloads are processed where models read them and where runs begin.
std::string_view audited_action(std::string_view action) {
  return action == "models:use" || action == "runs:execute" ? "data_processing" : action;
}

// Whom an act reached may be the path of a file, which may name a person.
security::AuditRow shown_row(security::AuditRow row, const security::Redaction& rules) {
  const std::string& action = row.record.action;
  if (rules.none() || (action != "tool_call" && action != "step_act")) return row;
  auto details = json::parse(row.record.details);
  json::Object* object = details.ok() ? details->if_object() : nullptr;
  json::Value* target = object != nullptr ? object->if_contains("target") : nullptr;
  if (target == nullptr || !target->is_string()) return row;
  *target = security::redacted(target->get_string(), rules);
  row.record.details = json::dump(*details);
  return row;
}

json::Object record_object(const security::AuditRow& row) {
  const security::AuditRecord& record = row.record;
  json::Object out{{"timestamp", iso8601(record.at_us)}, {"user", record.user},
                   {"action", record.action}, {"resource", record.resource},
                   {"outcome", record.outcome}, {"tenant", record.tenant},
                   {"writer", row.writer}, {"epoch", row.epoch}, {"n", row.n}};
  if (auto details = json::parse(record.details); !record.details.empty() && details.ok()) {
    out["details"] = std::move(*details);
  }
  return out;
}

Result<security::AuditQuery> audit_query(const net::HttpRequest& request) {
  const auto given = [&](std::string_view name) {
    const std::string* found = net::find_parameter(request.query, name);
    return found == nullptr ? std::string() : *found;
  };
  security::AuditQuery out;
  const std::string& tenant = caller_of(request).tenant;
  if (!tenant.empty()) out.tenant = tenant;
  out.user = given("user");
  out.action = given("action");
  out.before = given("cursor");
  for (const auto& [name, value] : {std::pair("from", &out.from_us), {"to", &out.to_us}}) {
    const std::string text = given(name);
    if (text.empty()) continue;
    const auto at_us = security::instant_of(text);
    if (!at_us) return wrong_field(name, "a time as 2026-11-22T09:00:00Z", text);
    *value = *at_us;
  }
  const std::string limit = given("limit");
  if (!limit.empty()) out.limit = TRY(whole_number("limit", limit, 1, kRecordsMax));
  return out;
}

// All records that fit, a page of the store at a time: the next one is read when the client has
// taken the last. If the store fails on the way the answer breaks off, so that nobody takes a part
// for the whole.
class Export : public std::enable_shared_from_this<Export> {
 public:
  Export(ServerContext& context, ExchangePtr exchange, security::AuditQuery query,
         security::AuditFormat format)
      : context_(context), exchange_(std::move(exchange)), query_(std::move(query)),
        format_(format) {
    query_.limit = kRecordsMax;
    query_.before.clear();
  }

  void start() {
    exchange_->on_closed([self = shared_from_this()] { self->exchange_.reset(); });
    read_page();
  }

 private:
  using List = std::vector<security::AuditRow>;

  void read_page() {
    if (std::exchange(reading_, true)) return;
    context_.runs->read<List>(
        [query = query_](store::Db& db) { return security::read_audit(db, query); },
        [self = shared_from_this()](Result<List> rows) { self->on_page(std::move(rows)); });
  }

  void on_page(Result<List> rows) {
    reading_ = false;
    if (!exchange_) return;
    if (!rows.ok()) return fail(rows.error());
    if (!std::exchange(begun_, true)) begin();
    std::string text;
    for (const security::AuditRow& row : *rows) {
      append_audit_line(text, shown_row(row, context_.redaction), format_);
    }
    exchange_->write(text);
    if (std::ssize(*rows) < kRecordsMax) {
      exchange_->end();
      return exchange_.reset();
    }
    query_.before = security::cursor_of(rows->back());
    if (exchange_->unsent_bytes() == 0) read_page();
  }

  void begin() {
    const bool csv = format_ == security::AuditFormat::kCsv;
    exchange_->on_drained([weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && self->exchange_ && !self->query_.before.empty()) self->read_page();
    });
    exchange_->begin({.headers = {{"Content-Type", std::string(media_type_of(format_))},
                                  {"Content-Disposition",
                                   fmt::format("attachment; filename=\"audit.{}\"",
                                               csv ? "csv" : "jsonl")},
                                  {"Cache-Control", "no-store"}},
                      .events = false});
    exchange_->write(audit_heading(format_));
  }

  void fail(const Error& error) {
    if (!begun_) exchange_->respond(problem(error));
    exchange_.reset();
  }

  ServerContext& context_;
  ExchangePtr exchange_;  // null: over
  security::AuditQuery query_;
  const security::AuditFormat format_;
  bool begun_ = false;
  bool reading_ = false;  // a page
};

Result<security::AuditFormat> export_format(const net::HttpRequest& request) {
  const std::string* given = net::find_parameter(request.query, "format");
  if (given == nullptr) return security::AuditFormat::kJsonLines;
  const auto format = security::audit_format_of(*given);
  if (format) return *format;
  return wrong_field("format", "jsonl or csv", *given);
}

// A connection of its own: it may take a while.
Result<worker::AuditReport> verify_here(const worker::StorePlace& store, const std::string& file) {
  const auto db = TRY(worker::open_journal_store(store));
  std::string text;
  if (!file.empty() && file_exists(file)) text = TRY(read_file(file));
  return worker::check_audit(*db, text);
}

}  // namespace

void record_request(ServerContext& context, const net::HttpRequest& request,
                    std::string_view action, int status) {
  // a document that is checked while it is written comes by POST, and nothing comes of it
  const bool reads = request.method == "GET" || request.method == "HEAD" ||
                     action == "definitions:read";
  if (!context.audit || reads || action.empty() || status == 401 || status == 429) return;
  security::AuditRecord record = record_of(caller_of(request), audited_action(action));
  record.resource = request.target.substr(0, kTargetBytesMax);
  record.outcome = status < 400 ? "ok" : status == 403 ? "refused" : "failed";
  record.details = json::dump(json::Object{{"method", request.method}, {"status", status}});
  context.audit(std::move(record));
}

void record_refusal(ServerContext& context, const security::Caller& caller,
                    std::string_view action, const net::HttpRequest& request) {
  if (!context.audit) return;
  security::AuditRecord record = record_of(caller, action);
  record.resource = request.target.substr(0, kTargetBytesMax);
  record.outcome = "refused";
  const bool unknown = action == kAuthenticate;
  json::Object details{{"method", request.method}, {"status", unknown ? 401 : 403}};
  if (unknown) details["from"] = request.peer;
  record.details = json::dump(details);
  context.audit(std::move(record));
}

void record_act(ServerContext& context, const security::Caller& caller, std::string_view action,
                std::string resource, std::string_view outcome) {
  if (!context.audit) return;
  security::AuditRecord record = record_of(caller, audited_action(action));
  record.resource = std::move(resource);
  record.outcome = outcome;
  context.audit(std::move(record));
}

void record_decision(ServerContext& context, const security::Caller& caller,
                     const backend::ChatResult& result) {
  if (!context.audit) return;
  const backend::Evidence& evidence = result.evidence;
  std::string ids;
  for (const int32_t id : evidence.prompt_ids) {
    for (int shift = 0; shift < 32; shift += 8) {
      ids += static_cast<char>(static_cast<uint32_t>(id) >> shift & 0xff);
    }
  }
  security::AuditRecord record = record_of(caller, "ai_decision");
  record.resource = evidence.model;
  record.details = json::dump(json::Object{
      {"model_hash", evidence.model_hash}, {"prompt_hash", sha256_hex(ids)},
      {"sampler", evidence.sampler}, {"finish_reason", result.finish_reason},
      {"tokens", json::Object{{"prompt", result.tokens.prompt},
                              {"reasoning", result.tokens.reasoning},
                              {"answer", result.tokens.answer}}}});
  context.audit(std::move(record));
}

void list_audit(ServerContext& context, const ExchangePtr& exchange) {
  auto query = audit_query(exchange->request());
  if (!query.ok()) return exchange->respond(problem(query.error()));
  using List = std::vector<security::AuditRow>;
  context.runs->read<List>(
      [query = *query](store::Db& db) { return security::read_audit(db, query); },
      [exchange, limit = query->limit, &context](Result<List> rows) {
        if (!rows.ok()) return exchange->respond(problem(rows.error()));
        json::Array items;
        for (const security::AuditRow& row : *rows) {
          items.push_back(record_object(shown_row(row, context.redaction)));
        }
        json::Object out{{"items", std::move(items)}};
        out["next_cursor"] = nullptr;
        if (std::ssize(*rows) == limit) out["next_cursor"] = security::cursor_of(rows->back());
        exchange->respond(json_response(out));
      });
}

void export_audit(ServerContext& context, const ExchangePtr& exchange) {
  const auto query = audit_query(exchange->request());
  if (!query.ok()) return exchange->respond(problem(query.error()));
  const auto format = export_format(exchange->request());
  if (!format.ok()) return exchange->respond(problem(format.error()));
  std::make_shared<Export>(context, exchange, *query, *format)->start();
}

void verify_audit(ServerContext& context, const ExchangePtr& exchange) {
  const security::Caller& caller = caller_of(exchange->request());
  if (!caller.tenant.empty()) {
    return exchange->respond(problem(make_error(
        "E0761", "Insufficient privileges: the chains belong to all tenants together",
        "ask with a key of no tenant")));
  }
  context.pool.submit([&context, exchange, store = context.replay->store,
                       file = context.checkpoints_file] {
    auto report = std::make_shared<Result<worker::AuditReport>>(verify_here(store, file));
    context.loop.post([exchange, report] {
      exchange->respond(report->ok() ? json_response(worker::to_json(**report))
                                     : problem(report->error()));
    });
  });
}

}  // namespace weft::server
