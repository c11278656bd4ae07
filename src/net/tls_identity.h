// SPDX-License-Identifier: Apache-2.0
//
// A certificate with its key, as a TLS server shows it to whoever connects. Read and checked as a
// whole: what loads can be served. It never changes; a renewed certificate is another identity,
// which new connections get while those that are open keep theirs.
//
// TLS 1.2 with forward secrecy and authenticated ciphers, and 1.3; no renegotiation, compression or
// early data; of ALPN, HTTP/1.1. Whether a certificate has expired is for the caller to judge: this
// unit knows no clock.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

struct ssl_ctx_st;

namespace weft::net {

struct TlsFiles {
  std::string certificate;  // PEM: the server's own first, then those that lead to its authority
  std::string key;          // PEM, without a password
  bool only_13 = false;     // TLS 1.3 alone; else 1.2 too

  bool given() const { return !certificate.empty(); }
};

class TlsIdentity {
 public:
  // E0822: unreadable, no certificate, a key with a password, of another certificate, too weak.
  // Reads files: not on a loop's thread.
  static Result<std::shared_ptr<const TlsIdentity>> load(const TlsFiles& files);
  ~TlsIdentity();
  TlsIdentity(const TlsIdentity&) = delete;
  TlsIdentity& operator=(const TlsIdentity&) = delete;

  int64_t begins_s() const { return begins_s_; }  // seconds since 1970
  int64_t ends_s() const { return ends_s_; }
  const std::string& names() const { return names_; }  // "example.com, 192.0.2.7", for people
  ssl_ctx_st* context() const { return context_; }     // OpenSSL's; for tls_session

 private:
  TlsIdentity() = default;
  Status read(std::string_view certificate, std::string_view key, const TlsFiles& files);
  Status take_chain(std::string_view pem, const TlsFiles& files);
  Status take_key(std::string_view pem, const TlsFiles& files);
  void describe();

  ssl_ctx_st* context_ = nullptr;
  int64_t begins_s_ = 0, ends_s_ = 0;
  std::string names_;
};

// What OpenSSL put into this thread's list of errors, newest reason first; empties it.
std::string tls_reasons();

}  // namespace weft::net
