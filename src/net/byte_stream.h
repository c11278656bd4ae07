// SPDX-License-Identifier: Apache-2.0
//
// Inside of http_server: the bytes of one connection, over TCP or over TLS. What speaks HTTP above
// it need not know which; it sees plain text, deadlines and how the peer ends.
//
// The one seam of TLS: the codec (tls_session) has no socket, so this class moves bytes between
// the two and there is no second kind of stream to compile. One reader and one writer, never at the
// same time except look(); on the io_context's thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "net/tls_session.h"

namespace weft::net {

class ByteStream {
 public:
  using ErrorCode = boost::system::error_code;
  using Socket = boost::asio::ip::tcp::socket;
  template <class T>
  using Awaitable = boost::asio::awaitable<T>;

  // `tls`: null for plain TCP.
  ByteStream(Socket socket, std::unique_ptr<TlsSession> tls)
      : stream_(std::move(socket)), tls_(std::move(tls)) {}

  Socket& socket() { return stream_.socket(); }
  bool secure() const { return tls_ != nullptr; }
  void close() { stream_.close(); }
  // A deadline for all that follows, until the next one; then beast::error::timeout, and closed.
  void expires_after(int64_t ms);
  void expires_never() { stream_.expires_never(); }

  enum class Shaken { kYes, kPlainHttp, kNo };
  // Over TLS before anything else. kPlainHttp: the peer speaks without; this stream does then too.
  Awaitable<Shaken> shake_hands(ErrorCode& error);
  const std::string& problem() const { return problem_; }  // of the handshake

  // Some bytes into `space`, at least one without an error. eof: nothing more comes.
  Awaitable<size_t> read_some(boost::asio::mutable_buffer space, ErrorCode& error);
  Awaitable<void> write(std::string_view bytes, ErrorCode& error);
  // Says that nothing more is sent, and nothing else. Before an orderly close.
  Awaitable<void> say_goodbye();
  // Waits for the peer's end and throws away what it still sends, within limits.
  Awaitable<void> linger(int64_t ms, size_t bytes_max);

  enum class Peer { kSilent, kSpeaks, kEnded, kGone };
  // Without waiting, when the socket is readable: what has come from the peer, if nobody reads.
  Peer look();
  // A few bytes at once, if they fit and nothing is being written.
  void send_now(std::string_view bytes);
  void say_goodbye_now();

 private:
  Awaitable<void> flush(ErrorCode& error);
  void flush_now();

  boost::beast::tcp_stream stream_;
  std::unique_ptr<TlsSession> tls_;
  std::string unsent_;  // of TLS
  size_t looked_ = 0;   // bytes that look() has fed to TLS since somebody read
  std::string problem_;
};

}  // namespace weft::net
