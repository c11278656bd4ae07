// SPDX-License-Identifier: Apache-2.0
#include "net/byte_stream.h"

#include <sys/socket.h>

// Asio's coroutine frames use a matching pair of functions that g++ 12 does not recognise.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <chrono>

namespace weft::net {

namespace asio = boost::asio;

namespace {

constexpr size_t kCipherBytesMin = size_t{4} << 10;   // held by every idle connection
constexpr size_t kCipherBytesMax = size_t{32} << 10;
constexpr size_t kHandshakeBytesMax = size_t{64} << 10;
constexpr size_t kLookedBytesMax = size_t{64} << 10;

asio::redirect_error_t<asio::use_awaitable_t<>> noted(boost::system::error_code& error) {
  return asio::redirect_error(asio::use_awaitable, error);
}

}  // namespace

void ByteStream::expires_after(int64_t ms) {
  stream_.expires_after(std::chrono::milliseconds(ms));
}

asio::awaitable<void> ByteStream::flush(ErrorCode& error) {
  unsent_ += tls_->take_output();
  if (unsent_.empty()) co_return;
  const std::string bytes = std::exchange(unsent_, {});
  co_await asio::async_write(stream_, asio::buffer(bytes), noted(error));
}

void ByteStream::flush_now() {
  unsent_ += tls_->take_output();
  const ssize_t sent = ::send(socket().native_handle(), unsent_.data(), unsent_.size(),
                              MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent > 0) unsent_.erase(0, static_cast<size_t>(sent));
}

asio::awaitable<ByteStream::Shaken> ByteStream::shake_hands(ErrorCode& error) {
  std::string bytes(kCipherBytesMin, '\0');
  for (size_t seen = 0; seen < kHandshakeBytesMax;) {
    const size_t came = co_await stream_.async_read_some(asio::buffer(bytes), noted(error));
    if (error) co_return Shaken::kNo;
    if (seen == 0 && TlsSession::looks_like_http(bytes[0])) {
      tls_.reset();
      co_return Shaken::kPlainHttp;
    }
    seen += came;
    tls_->feed(std::string_view(bytes).substr(0, came));
    const TlsSession::State state = tls_->handshake();
    co_await flush(error);
    if (state == TlsSession::State::kBroken) problem_ = tls_->problem();
    if (error || state == TlsSession::State::kBroken) co_return Shaken::kNo;
    if (state == TlsSession::State::kOpen) co_return Shaken::kYes;
  }
  problem_ = "the handshake is too long";
  co_return Shaken::kNo;
}

asio::awaitable<size_t> ByteStream::read_some(asio::mutable_buffer space, ErrorCode& error) {
  if (!tls_) co_return co_await stream_.async_read_some(space, noted(error));
  looked_ = 0;
  std::string bytes;
  for (;;) {
    const size_t got = tls_->read(static_cast<char*>(space.data()), space.size());
    if (got > 0) co_return got;
    co_await flush(error);  // an alert, or the answer to a new key
    if (error) co_return 0;
    if (tls_->state() != TlsSession::State::kOpen) {
      error = asio::error::connection_reset;
      if (tls_->state() == TlsSession::State::kEnded) error = asio::error::eof;
      co_return 0;
    }
    bytes.resize(std::clamp(space.size(), kCipherBytesMin, kCipherBytesMax));
    const size_t came = co_await stream_.async_read_some(asio::buffer(bytes), noted(error));
    if (error) co_return 0;
    tls_->feed(std::string_view(bytes).substr(0, came));
  }
}

asio::awaitable<void> ByteStream::write(std::string_view bytes, ErrorCode& error) {
  if (!tls_) {
    co_await asio::async_write(stream_, asio::buffer(bytes.data(), bytes.size()), noted(error));
    co_return;
  }
  tls_->write(bytes);
  co_await flush(error);
  if (!error && tls_->state() == TlsSession::State::kBroken) error = asio::error::connection_reset;
}

asio::awaitable<void> ByteStream::say_goodbye() {
  if (!tls_ || !stream_.socket().is_open()) co_return;
  ErrorCode ignored;
  tls_->say_goodbye();
  co_await flush(ignored);
}

// Closing with unread input would reset the connection, and the client might never see the answer.
asio::awaitable<void> ByteStream::linger(int64_t ms, size_t bytes_max) {
  expires_after(ms);
  co_await say_goodbye();
  ErrorCode error;
  stream_.socket().shutdown(Socket::shutdown_send, error);
  std::string space(kCipherBytesMax, '\0');
  for (size_t seen = 0; !error && seen < bytes_max;) {
    seen += co_await stream_.async_read_some(asio::buffer(space), noted(error));
  }
}

// Plain: one byte is looked at and left there. Over TLS what came must be taken and looked into,
// for the peer's goodbye is a record like others; beyond a limit what it sends may wait.
ByteStream::Peer ByteStream::look() {
  char space[kCipherBytesMin];
  const int socket = stream_.socket().native_handle();
  if (!tls_) {
    const ssize_t seen = ::recv(socket, space, 1, MSG_PEEK | MSG_DONTWAIT);
    if (seen < 0) return errno == EAGAIN ? Peer::kSilent : Peer::kGone;
    return seen == 0 ? Peer::kEnded : Peer::kSpeaks;
  }
  if (looked_ >= kLookedBytesMax) return Peer::kSpeaks;
  const ssize_t came = ::recv(socket, space, sizeof(space), MSG_DONTWAIT);
  if (came < 0) return errno == EAGAIN ? Peer::kSilent : Peer::kGone;
  if (came == 0) return Peer::kEnded;
  looked_ += static_cast<size_t>(came);
  tls_->feed({space, static_cast<size_t>(came)});
  if (tls_->readable()) return Peer::kSpeaks;
  if (tls_->state() == TlsSession::State::kBroken) return Peer::kGone;
  return tls_->state() == TlsSession::State::kEnded ? Peer::kEnded : Peer::kSilent;
}

void ByteStream::send_now(std::string_view bytes) {
  if (tls_) {
    tls_->write(bytes);
    return flush_now();
  }
  ::send(socket().native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void ByteStream::say_goodbye_now() {
  if (!tls_) return;
  tls_->say_goodbye();
  flush_now();
}

}  // namespace weft::net
