// SPDX-License-Identifier: Apache-2.0
#include "net/tls_session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace weft::net {

TlsSession::TlsSession(std::shared_ptr<const TlsIdentity> identity)
    : identity_(std::move(identity)), ssl_(SSL_new(identity_->context())) {
  CHECK(ssl_ != nullptr, "no memory for a TLS session");
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());
  CHECK(in != nullptr && out != nullptr, "no memory for a TLS session");
  BIO_set_mem_eof_return(in, -1);  // an empty one is not the end
  SSL_set_bio(ssl_, in, out);      // they are the session's now
  SSL_set_accept_state(ssl_);
}

TlsSession::~TlsSession() { SSL_free(ssl_); }

void TlsSession::feed(std::string_view bytes) {
  if (bytes.empty()) return;
  const int taken = BIO_write(SSL_get_rbio(ssl_), bytes.data(), static_cast<int>(bytes.size()));
  CHECK(taken == static_cast<int>(bytes.size()), "no memory for a record of TLS");
}

// What a call that did not succeed says about the connection.
void TlsSession::judge(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return;
    case SSL_ERROR_ZERO_RETURN:
      state_ = State::kEnded;
      return;
    default:
      state_ = State::kBroken;
      problem_ = tls_reasons();
  }
}

TlsSession::State TlsSession::handshake() {
  if (state_ != State::kHandshake) return state_;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) {
    state_ = State::kOpen;
  } else {
    judge(result);
    if (state_ == State::kEnded) state_ = State::kBroken;  // it left before it began
  }
  return state_;
}

size_t TlsSession::read(char* space, size_t bytes) {
  if (state_ != State::kOpen) return 0;
  ERR_clear_error();
  size_t got = 0;
  const int result = SSL_read_ex(ssl_, space, bytes, &got);
  if (result == 1) return got;
  judge(result);
  return 0;
}

bool TlsSession::readable() {
  if (state_ != State::kOpen) return false;
  ERR_clear_error();
  char byte = 0;
  size_t got = 0;
  const int result = SSL_peek_ex(ssl_, &byte, 1, &got);
  if (result != 1) judge(result);
  return result == 1;
}

void TlsSession::write(std::string_view text) {
  if (text.empty() || state_ == State::kBroken) return;
  CHECK(state_ != State::kHandshake, "plain text before the handshake is over");
  ERR_clear_error();
  size_t written = 0;
  const int result = SSL_write_ex(ssl_, text.data(), text.size(), &written);
  if (result != 1) judge(result);
}

std::string TlsSession::take_output() {
  BIO* out = SSL_get_wbio(ssl_);
  std::string bytes(BIO_ctrl_pending(out), '\0');
  if (bytes.empty()) return bytes;
  const int taken = BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
  CHECK(taken == static_cast<int>(bytes.size()), "output of TLS that is not there");
  return bytes;
}

void TlsSession::say_goodbye() {
  if (state_ != State::kOpen && state_ != State::kEnded) return;
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

}  // namespace weft::net
