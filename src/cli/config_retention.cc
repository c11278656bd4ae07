// SPDX-License-Identifier: Apache-2.0
#include "cli/config_retention.h"

#include <fmt/format.h>

#include "cli/config_file.h"

namespace weft::cli {
namespace {

constexpr int64_t kAtLeastUs = 1'000'000;

}  // namespace

void read_retention(workflow::Fields& fields, const ConfigScope&, RetentionConfig& out) {
  const auto read = [&](std::string_view key, int64_t& value) {
    const auto given = fields.duration_us(key);
    if (!given) return;
    if (*given >= kAtLeastUs) {
      value = *given;
    } else {
      fields.problems().add("E0412", fields.place(),
                            fmt::format("retention: '{}' expected a second or more", key), "90d");
    }
  };
  read("audit", out.audit_us);
  read("runs", out.runs_us);
  read("every", out.every_us);
  if (out.given()) return;
  fields.problems().add("E0411", fields.place(),
                        "retention: 'audit' or 'runs' is missing: nothing would be removed",
                        "retention: { audit: 400d, runs: 90d }");
}

}  // namespace weft::cli
