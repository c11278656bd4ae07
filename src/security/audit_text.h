// SPDX-License-Identifier: Apache-2.0
//
// Audit records as text to be taken away: JSON lines, or CSV (RFC 4180) for spreadsheets. The same
// for `weft audit export` and GET /audit/export, so that both give the same bytes. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "security/audit.h"

namespace weft::security {

enum class AuditFormat { kJsonLines, kCsv };

// "jsonl" or "csv".
std::optional<AuditFormat> audit_format_of(std::string_view name);
std::string_view media_type_of(AuditFormat format);
// What stands above the records, with its newline; may be empty.
std::string_view audit_heading(AuditFormat format);
// One record, with its newline.
void append_audit_line(std::string& out, const AuditRow& row, AuditFormat format);

}  // namespace weft::security
