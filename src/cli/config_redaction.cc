// SPDX-License-Identifier: Apache-2.0
#include "cli/config_redaction.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "cli/config_file.h"

namespace weft::cli {

void read_redaction(workflow::Fields& fields, const ConfigScope&, security::Redaction& out) {
  for (const std::string& kind : texts(fields, "kinds")) {
    if (kind == "email") {
      out.email = true;
    } else if (kind == "phone") {
      out.phone = true;
    } else if (kind == "card") {
      out.card = true;
    } else if (kind == "resident_number") {
      out.resident_number = true;
    } else {
      const std::vector<std::string> known{"email", "phone", "card", "resident_number"};
      fields.problems().add("E0412", fields.place(),
                            fmt::format("redaction: there is no kind {}", quoted(kind)),
                            name_hint(kind, known));
    }
  }
  out.answers = fields.boolean("answers").value_or(false);
  for (const std::string& pattern : texts(fields, "patterns")) {
    const Status good = security::check_pattern(pattern);
    if (good.ok()) {
      out.patterns.push_back(pattern);
    } else {
      fields.problems().add(good.error().code, fields.place(), good.error().message,
                            good.error().hint);
    }
  }
}

}  // namespace weft::cli
