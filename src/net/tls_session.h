// SPDX-License-Identifier: Apache-2.0
//
// The server's side of one TLS connection as a machine without a socket: bytes of the network go in
// by feed(), bytes for the network come out of take_output(), and between them lies the plain text.
// So deadlines, limits and sockets stay where they are for plain connections, and the machine can
// be tested byte by byte.
//
//   handshake --> open --> ended (the peer said that nothing more comes; it may still read)
//       |          |
//       +----------+-----> broken (what is to be said about it is in take_output)
//
// Not thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "net/tls_identity.h"

struct ssl_st;

namespace weft::net {

class TlsSession {
 public:
  enum class State { kHandshake, kOpen, kEnded, kBroken };

  explicit TlsSession(std::shared_ptr<const TlsIdentity> identity);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // Someone speaks HTTP without TLS: no record of TLS begins so.
  static bool looks_like_http(char first) { return first >= 'A' && first <= 'Z'; }

  void feed(std::string_view bytes);
  // Goes on with the handshake as far as what was fed allows.
  State handshake();
  // Plain text into `space`; 0: none yet, or see state().
  size_t read(char* space, size_t bytes);
  // Whether there is plain text to read; looks at what was fed, so state() is fresh.
  bool readable();
  void write(std::string_view text);  // after the handshake
  std::string take_output();
  // Says that nothing more comes. Once, at the end.
  void say_goodbye();

  State state() const { return state_; }
  const std::string& problem() const { return problem_; }  // why it is broken

 private:
  void judge(int result);

  const std::shared_ptr<const TlsIdentity> identity_;
  ssl_st* ssl_ = nullptr;
  State state_ = State::kHandshake;
  std::string problem_;
};

}  // namespace weft::net
