// SPDX-License-Identifier: Apache-2.0
//
// For tests only: certificates made for the occasion by the openssl program in a directory that
// goes with the object.
//
// One key a certificate; self-signed, so the certificate is its own authority for clients.
#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "net/tls_identity.h"

namespace weft::net::testing {

class CertificateFolder {
 public:
  CertificateFolder() {
    char pattern[] = "/tmp/weft-tls-XXXXXX";
    folder_ = ::mkdtemp(pattern);
  }
  ~CertificateFolder() { std::filesystem::remove_all(folder_); }
  CertificateFolder(const CertificateFolder&) = delete;

  std::string path(std::string_view name) const { return folder_ / name; }
  // NAME.pem and NAME.key; `key`: options of `openssl req -newkey`.
  TlsFiles make(std::string_view name, std::string_view more = "",
                std::string_view key = "ec -pkeyopt ec_paramgen_curve:P-256") const {
    const TlsFiles files{path(fmt::format("{}.pem", name)), path(fmt::format("{}.key", name))};
    const std::string command = fmt::format(
        "openssl req -x509 -newkey {} -nodes -days 2 -subj /CN={} "
        "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout {} -out {} {} 2>/dev/null",
        key, name, files.key, files.certificate, more);
    made_ = std::system(command.c_str()) == 0 && made_;
    return files;
  }
  bool run(const std::string& command) const { return std::system(command.c_str()) == 0; }
  bool made() const { return made_; }

 private:
  std::filesystem::path folder_;
  mutable bool made_ = true;
};

}  // namespace weft::net::testing
