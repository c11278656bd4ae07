// SPDX-License-Identifier: Apache-2.0
#include "security/audit_text.h"

#include <fmt/format.h>

#include "base/env.h"
#include "base/json.h"

namespace weft::security {
namespace {

void append_csv_field(std::string& out, std::string_view text) {
  if (text.find_first_of(",\"\n\r") == text.npos) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    out += c;
    if (c == '"') out += c;
  }
  out += '"';
}

void append_csv_line(std::string& out, const AuditRow& row) {
  const AuditRecord& record = row.record;
  out += iso8601(record.at_us);
  for (const std::string* field : {&record.tenant, &record.user, &record.action, &record.resource,
                                   &record.outcome, &record.details, &row.writer}) {
    out += ',';
    append_csv_field(out, *field);
  }
  out += fmt::format(",{},{}\n", row.epoch, row.n);
}

void append_json_line(std::string& out, const AuditRow& row) {
  const AuditRecord& record = row.record;
  json::Object object{{"timestamp", iso8601(record.at_us)}, {"tenant", record.tenant},
                      {"user", record.user}, {"action", record.action},
                      {"resource", record.resource}, {"outcome", record.outcome},
                      {"writer", row.writer}, {"epoch", row.epoch}, {"n", row.n}};
  if (auto details = json::parse(record.details); !record.details.empty() && details.ok()) {
    object["details"] = std::move(*details);
  }
  out += json::dump(object);
  out += '\n';
}

}  // namespace

std::optional<AuditFormat> audit_format_of(std::string_view name) {
  if (name == "jsonl") return AuditFormat::kJsonLines;
  if (name == "csv") return AuditFormat::kCsv;
  return std::nullopt;
}

std::string_view media_type_of(AuditFormat format) {
  return format == AuditFormat::kCsv ? "text/csv; charset=utf-8" : "application/x-ndjson";
}

std::string_view audit_heading(AuditFormat format) {
  return format == AuditFormat::kCsv
             ? "timestamp,tenant,user,action,resource,outcome,details,writer,epoch,n\n" : "";
}

void append_audit_line(std::string& out, const AuditRow& row, AuditFormat format) {
  if (format == AuditFormat::kCsv) return append_csv_line(out, row);
  append_json_line(out, row);
}

}  // namespace weft::security
