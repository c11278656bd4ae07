// SPDX-License-Identifier: Apache-2.0
#include "cli/config_traces.h"

#include "base/strings.h"
#include "cli/config_file.h"
#include "net/url.h"

namespace weft::cli {

void read_traces(workflow::Fields& fields, const ConfigScope& scope, TracesConfig& out) {
  out.authorization = secret(fields, "authorization", scope);
  const auto endpoint = fields.text("endpoint");
  if (!endpoint) return;
  if (const auto url = net::parse_url(*endpoint); !url.ok()) {
    fields.problems().add("E0412", fields.place(),
                          "traces: 'endpoint' is no URL: " + url.error().message,
                          "http://localhost:4318");
    return;
  }
  out.endpoint = *endpoint;
  while (out.endpoint.ends_with('/')) out.endpoint.pop_back();
}

}  // namespace weft::cli
