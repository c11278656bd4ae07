// SPDX-License-Identifier: Apache-2.0
#include "cli/config_tls.h"

#include "cli/config_file.h"

namespace weft::cli {

void read_tls(workflow::Fields& fields, const ConfigScope& scope, TlsConfig& out) {
  if (const auto file = fields.text("certificate")) out.files.certificate = scope.path(*file);
  if (const auto file = fields.text("key")) out.files.key = scope.path(*file);
  // a number to YAML, a name to TLS
  if (const auto least = fields.any("min_version"); least.ok()) {
    const bool scalar = !least.is_list() && !least.is_mapping();
    const std::string_view text = scalar ? least.text() : std::string_view();
    if (text != "1.2" && text != "1.3") fields.wrong(least, "min_version", "1.2 or 1.3");
    out.files.only_13 = text == "1.3";
  }
  if (const auto hsts_us = fields.duration_us("hsts")) out.hsts_s = *hsts_us / 1'000'000;
  if (out.files.certificate.empty() != out.files.key.empty()) {
    fields.problems().add("E0411", fields.place(),
                          "tls: 'certificate' and 'key' belong together, one of them is missing",
                          "tls: { certificate: cert.pem, key: key.pem }");
  }
}

}  // namespace weft::cli
