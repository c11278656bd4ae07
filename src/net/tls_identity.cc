// SPDX-License-Identifier: Apache-2.0
#include "net/tls_identity.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <vector>

#include "base/file.h"
#include "base/freed_by.h"
#include "base/strings.h"

namespace weft::net {
namespace {

constexpr size_t kPemBytesMax = size_t{1} << 20;
constexpr int kChainMax = 16;
constexpr size_t kNamesShown = 8;

using Bio = std::unique_ptr<BIO, FreedBy<BIO_free>>;
using Certificate = std::unique_ptr<X509, FreedBy<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, FreedBy<GENERAL_NAMES_free>>;

Error unusable(std::string message, std::string hint) {
  return make_error("E0822", std::move(message), std::move(hint));
}

Result<std::string> read_pem(const std::string& path, std::string_view what) {
  auto text = read_file(path, kPemBytesMax);
  if (text.ok()) return text;
  Error error = unusable(fmt::format("the {} {} cannot be read", what, quoted(path)),
                         "the user that runs weft must be able to read it");
  error.cause = std::make_shared<const Error>(std::move(text).error());
  return error;
}

// OpenSSL would ask at the terminal.
int no_password(char*, int, int, void*) { return -1; }

Bio over(std::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

int64_t seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return static_cast<int64_t>(::timegm(&parts));
}

// The first protocol of ours that the client offers; one that offers others only is turned away.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_bytes,
                    const unsigned char* offered, unsigned int offered_bytes, void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1\x08http/1.0";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_bytes, kOurs, sizeof(kOurs) - 1, offered,
                            offered_bytes) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

bool configure(SSL_CTX* context, bool only_13) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  return SSL_CTX_set_min_proto_version(context, only_13 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
}

std::string name_text(const GENERAL_NAME& name) {
  if (name.type == GEN_DNS) {
    return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name.d.dNSName)),
                       static_cast<size_t>(ASN1_STRING_length(name.d.dNSName)));
  }
  if (name.type != GEN_IPADD) return {};
  const int bytes = ASN1_STRING_length(name.d.iPAddress);
  if (bytes != 4 && bytes != 16) return {};
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(bytes == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name.d.iPAddress), text,
              sizeof(text));
  return text;
}

}  // namespace

std::string tls_reasons() {
  std::string out;
  while (const unsigned long code = ERR_get_error()) {
    const char* reason = ERR_reason_error_string(code);
    if (reason == nullptr) continue;
    out = out.empty() ? reason : fmt::format("{}: {}", reason, out);
  }
  return out;
}

TlsIdentity::~TlsIdentity() { SSL_CTX_free(context_); }

Result<std::shared_ptr<const TlsIdentity>> TlsIdentity::load(const TlsFiles& files) {
  const std::string certificate = TRY(read_pem(files.certificate, "certificate"));
  const std::string key = TRY(read_pem(files.key, "key"));
  std::shared_ptr<TlsIdentity> out(new TlsIdentity);
  ERR_clear_error();
  TRY(out->read(certificate, key, files));
  return std::shared_ptr<const TlsIdentity>(std::move(out));
}

Status TlsIdentity::read(std::string_view certificate, std::string_view key,
                         const TlsFiles& files) {
  context_ = SSL_CTX_new(TLS_server_method());
  if (context_ == nullptr || !configure(context_, files.only_13)) {
    return unusable("OpenSSL cannot be set up: " + tls_reasons(), "see openssl.cnf");
  }
  TRY(take_chain(certificate, files));
  TRY(take_key(key, files));
  describe();
  return ok_status();
}

Status TlsIdentity::take_chain(std::string_view pem, const TlsFiles& files) {
  const Bio text = over(pem);
  const Certificate own(PEM_read_bio_X509_AUX(text.get(), nullptr, no_password, nullptr));
  if (!own) {
    return unusable(fmt::format("{} holds no certificate: {}", quoted(files.certificate),
                                tls_reasons()),
                    "PEM is expected: -----BEGIN CERTIFICATE-----");
  }
  if (SSL_CTX_use_certificate(context_, own.get()) != 1) {
    return unusable(fmt::format("the certificate {} cannot be served: {}",
                                quoted(files.certificate), tls_reasons()),
                    "2048 bits of RSA or a curve such as P-256 at least");
  }
  for (int i = 0; i < kChainMax; ++i) {
    Certificate next(PEM_read_bio_X509(text.get(), nullptr, no_password, nullptr));
    if (!next) break;
    if (SSL_CTX_add0_chain_cert(context_, next.get()) != 1) {
      return unusable(fmt::format("certificate {} of {} cannot be served: {}", i + 2,
                                  quoted(files.certificate), tls_reasons()),
                      "the server's own comes first, then those that lead to its authority");
    }
    (void)next.release();
  }
  const unsigned long last = ERR_peek_last_error();
  const bool at_end = last == 0 || ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
  const std::string why = tls_reasons();
  if (at_end) return ok_status();
  return unusable(fmt::format("{} has a broken certificate behind the first: {}",
                              quoted(files.certificate), why),
                  "PEM blocks may have been cut or joined wrongly");
}

Status TlsIdentity::take_key(std::string_view pem, const TlsFiles& files) {
  if (pem.find("ENCRYPTED") != pem.npos) {
    return unusable(fmt::format("the key {} is protected by a password", quoted(files.key)),
                    "a server starts unattended: openssl pkey -in KEY -out PLAIN, mode 0600");
  }
  const Bio text = over(pem);
  const PrivateKey key(PEM_read_bio_PrivateKey(text.get(), nullptr, no_password, nullptr));
  if (!key) {
    return unusable(fmt::format("{} holds no private key: {}", quoted(files.key), tls_reasons()),
                    "PEM is expected: -----BEGIN PRIVATE KEY-----");
  }
  if (X509_check_private_key(SSL_CTX_get0_certificate(context_), key.get()) != 1) {
    (void)tls_reasons();
    return unusable(fmt::format("the key {} does not belong to the first certificate of {}",
                                quoted(files.key), quoted(files.certificate)),
                    "the server's own certificate comes first, then those that lead to its "
                    "authority; the key is that of the first");
  }
  if (SSL_CTX_use_PrivateKey(context_, key.get()) != 1) {
    return unusable(fmt::format("the key {} cannot be used: {}", quoted(files.key),
                                tls_reasons()), "RSA, ECDSA or Ed25519 is expected");
  }
  return ok_status();
}

void TlsIdentity::describe() {
  X509* own = SSL_CTX_get0_certificate(context_);
  begins_s_ = seconds_of(X509_get0_notBefore(own));
  ends_s_ = seconds_of(X509_get0_notAfter(own));
  const Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(own, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> shown;
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    if (shown.size() == kNamesShown) {
      shown.emplace_back("…");
      break;
    }
    std::string text = name_text(*sk_GENERAL_NAME_value(names.get(), i));
    if (!text.empty()) shown.push_back(quoted(text));
  }
  names_ = shown.empty() ? "no name" : fmt::format("{}", fmt::join(shown, ", "));
  (void)tls_reasons();
}

}  // namespace weft::net
