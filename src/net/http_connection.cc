// SPDX-License-Identifier: Apache-2.0
#include "net/http_connection.h"

#include <fmt/format.h>

// Asio's coroutine frames use a matching pair of functions that g++ 12 does not recognise.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <optional>

#include "net/byte_stream.h"
#include "net/http_exchange.h"
#include "obs/log.h"

namespace weft::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using ErrorCode = boost::system::error_code;
using Parser = http::request_parser<http::string_body>;
using std::chrono::milliseconds;

namespace {

constexpr size_t kWriteBytes = size_t{64} << 10;      // one deadline each
constexpr size_t kLingerBytesMax = size_t{128} << 20;  // read and thrown away after a refusal
constexpr int64_t kLingerMs = 5'000;
constexpr size_t kSmallBody = size_t{64} << 10;
constexpr size_t kReadBytesMin = 512;
constexpr size_t kReadBytesMax = size_t{64} << 10;

asio::redirect_error_t<asio::use_awaitable_t<>> awaited(ErrorCode& error) {
  return asio::redirect_error(asio::use_awaitable, error);
}

int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

// Owns itself through its coroutine. One exchange at a time.
class Connection final : public ExchangeOwner, public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ServerState> state, asio::ip::tcp::socket socket)
      : state_(std::move(state)),
        stream_(std::move(socket),
                state_->tls ? std::make_unique<TlsSession>(state_->tls) : nullptr),
        wake_(state_->io) {
    state_->connections.insert(this);
    state_->stats.connections = std::ssize(state_->connections);
  }
  ~Connection() override;

  asio::awaitable<void> run();
  asio::awaitable<void> refuse_overload();
  void close_if_idle() {
    ErrorCode error;
    if (!idle_ || stream_.socket().available(error) > 0) return;  // a request has come just now
    stream_.say_goodbye_now();
    close();
  }
  void close() { stream_.close(); }
  void wake(std::shared_ptr<LiveExchange> exchange) override {
    pending_ = std::move(exchange);
    wake_.cancel();
  }
  void abort_exchange() override;
  void exchange_dropped(bool begun) override {
    dropped_unanswered_ = !begun;
    wake_.cancel();
  }
  bool draining() const override { return state_->draining; }
  size_t unsent_bytes_max() const override { return state_->options.unsent_bytes_max; }
  const std::vector<Header>& standing_headers() const override {
    static const std::vector<Header> none;
    return stream_.secure() ? state_->options.tls_headers : none;
  }

 private:
  enum class Next { kKeep, kClose, kLinger };

  asio::awaitable<bool> shake_hands();
  asio::awaitable<bool> wait_for_request();
  asio::awaitable<void> read_message(Parser& parser, bool whole, ErrorCode& error);
  asio::awaitable<std::optional<Next>> read_request(HttpRequest& request,
                                                    const HttpRoute*& route);
  asio::awaitable<std::optional<Next>> read_body(Parser& parser, HttpRequest& request,
                                                 size_t limit);
  std::shared_ptr<asio::steady_timer> preparing(const HttpRequest& request);
  asio::awaitable<Next> refuse(const HttpRequest& request, int status, std::string_view message,
                               std::vector<Header> headers = {});
  asio::awaitable<Next> answer(HttpRequest request, const HttpRoute& route);
  asio::awaitable<bool> write_all(std::string_view bytes);
  asio::awaitable<bool> send_answer(std::weak_ptr<LiveExchange> answering);
  asio::awaitable<void> watch(std::weak_ptr<LiveExchange> watched);
  bool gone(const ErrorCode& error);
  void hold_body(size_t bytes);
  void release_body();

  const std::shared_ptr<ServerState> state_;
  ByteStream stream_;
  beast::flat_buffer buffer_;
  asio::steady_timer wake_;
  std::weak_ptr<LiveExchange> exchange_;
  std::shared_ptr<LiveExchange> pending_;
  size_t body_held_ = 0;
  bool dropped_unanswered_ = false;
  bool idle_ = false;       // between requests
  bool keep_alive_ = false;
  bool is_http11_ = true;
};

Connection::~Connection() {
  release_body();
  state_->connections.erase(this);
  state_->stats.connections = std::ssize(state_->connections);
  state_->check_stopped();
}

// The rest of the answer is given up.
void Connection::abort_exchange() {
  if (const auto exchange = exchange_.lock()) exchange->client_gone();
  close();
  wake_.cancel();
}

void Connection::hold_body(size_t bytes) {
  body_held_ += bytes;
  state_->stats.body_bytes += static_cast<int64_t>(bytes);
}

void Connection::release_body() {
  state_->stats.body_bytes -= static_cast<int64_t>(body_held_);
  body_held_ = 0;
}

asio::awaitable<bool> Connection::write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, kWriteBytes);
    ErrorCode error;
    stream_.expires_after(state_->options.write_timeout_ms);
    co_await stream_.write(part, error);
    if (error) {
      gone(error);
      co_return false;
    }
    bytes.remove_prefix(part.size());
  }
  stream_.expires_never();
  co_return true;
}

// Nothing else is said before. Its own deadline, for whoever is silent or drips bytes.
asio::awaitable<bool> Connection::shake_hands() {
  if (!stream_.secure()) co_return true;
  ErrorCode error;
  idle_ = true;
  stream_.expires_after(state_->options.handshake_timeout_ms);
  const ByteStream::Shaken shaken = co_await stream_.shake_hands(error);
  idle_ = false;
  if (shaken == ByteStream::Shaken::kYes) co_return true;
  ++state_->stats.handshakes_failed;
  if (shaken == ByteStream::Shaken::kPlainHttp) {
    const HttpRequest nobody;
    const Next next =
        co_await refuse(nobody, 400, "this port speaks TLS: ask with https:// instead of http://");
    if (next == Next::kLinger) co_await stream_.linger(kLingerMs, kLingerBytesMax);
    co_return false;
  }
  gone(error);
  obs::log(obs::Level::kDebug, "tls", "no handshake: {}",
           error ? error.message() : stream_.problem());
  co_return false;
}

asio::awaitable<bool> Connection::wait_for_request() {
  if (buffer_.size() > 0) co_return true;
  ErrorCode error;
  idle_ = true;
  stream_.expires_after(state_->draining ? state_->options.idle_grace_ms
                                         : state_->options.idle_timeout_ms);
  const size_t bytes = co_await stream_.read_some(buffer_.prepare(kWriteBytes / 16), error);
  buffer_.commit(bytes);
  idle_ = false;
  if (error) gone(error);
  co_return !error;
}

asio::awaitable<Connection::Next> Connection::refuse(const HttpRequest& request, int status,
                                                     std::string_view message,
                                                     std::vector<Header> headers) {
  HttpResponse response{status, {{"Content-Type", "text/plain"}}, std::string(message)};
  if (state_->options.refusal) response = state_->options.refusal(request, status, message);
  for (Header& header : headers) response.headers.push_back(std::move(header));
  response.headers.push_back({"Content-Length", std::to_string(response.body.size())});
  for (const Header& header : standing_headers()) response.headers.push_back(header);
  response.headers.push_back({"Connection", "close"});
  std::string bytes = response_head(response.status, response.headers);
  if (request.method != "HEAD") bytes += response.body;
  ++state_->stats.requests;
  if (state_->options.observer) state_->options.observer(request, "", status, 0);
  const bool written = co_await write_all(bytes);
  co_return written ? Next::kLinger : Next::kClose;
}

namespace {

struct Refusal {
  int status = 400;
  std::string message;
};

Refusal refusal_of(const ErrorCode& error, const HttpServerOptions& options) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return {431, fmt::format("the head of the request should have at most {} bytes",
                             options.head_bytes_max)};
  }
  if (error == http::error::body_limit) return {413, "the body is larger than this route takes"};
  return {400, fmt::format("this is not an HTTP/1.1 request: {}", error.message())};
}

// What Beast leaves open and requests could be smuggled through.
std::optional<Refusal> head_problem(const Parser& parser) {
  const auto& head = parser.get();
  const auto coding = head.find(http::field::transfer_encoding);
  if (coding != head.end() && !beast::iequals(coding->value(), "chunked")) {
    return Refusal{501, "the only transfer coding understood here is chunked"};
  }
  if (head.count(http::field::transfer_encoding) > 1 || head.count(http::field::host) > 1) {
    return Refusal{400, "Host and Transfer-Encoding may stand only once"};
  }
  if (head.version() >= 11 && head.count(http::field::host) == 0) {
    return Refusal{400, "a request of HTTP/1.1 needs a Host header"};
  }
  const auto content = head.find(http::field::content_encoding);
  if (content != head.end() && !beast::iequals(content->value(), "identity")) {
    return Refusal{415, "compressed bodies are not understood here"};
  }
  return std::nullopt;
}

void fill_head(HttpRequest& request, const Parser& parser) {
  const auto& head = parser.get();
  request.method = std::string(head.method_string());
  request.target = std::string(head.target());
  for (const auto& field : head) {
    request.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  }
}

}  // namespace

// Nobody is there to be told: the peer closed, or a timeout did (Beast closes the socket then).
bool Connection::gone(const ErrorCode& error) {
  if (error == beast::error::timeout) ++state_->stats.timeouts;
  return error == beast::error::timeout || error == http::error::end_of_stream ||
         error == http::error::partial_message || error == asio::error::connection_reset ||
         error == asio::error::operation_aborted;
}

// Until the parser has the head, or the `whole` message; what comes behind it stays in the buffer.
asio::awaitable<void> Connection::read_message(Parser& parser, bool whole, ErrorCode& error) {
  parser.eager(whole);
  while (!error && !(whole ? parser.is_done() : parser.is_header_done())) {
    if (buffer_.size() > 0) {
      buffer_.consume(parser.put(buffer_.data(), error));
      if (error != http::error::need_more) continue;
      error = {};
      // What is left of a body is an extension or a trailer without end: Beast limits heads only.
      if (whole && buffer_.size() > state_->options.head_bytes_max) {
        error = http::error::header_limit;
        continue;
      }
    }
    const size_t space =
        std::clamp(buffer_.capacity() - buffer_.size(), kReadBytesMin, kReadBytesMax);
    const size_t bytes = co_await stream_.read_some(buffer_.prepare(space), error);
    buffer_.commit(bytes);
    if (error != asio::error::eof) continue;
    error = http::error::end_of_stream;
    if (parser.got_some()) error = http::error::partial_message;
  }
}

asio::awaitable<std::optional<Connection::Next>> Connection::read_body(Parser& parser,
                                                                       HttpRequest& request,
                                                                       size_t limit) {
  const auto length = parser.content_length();
  if (length && *length > limit) {
    co_return co_await refuse(request, 413,
                              fmt::format("the body has {} bytes, this route takes at most {}",
                                          *length, limit));
  }
  const size_t expected = parser.is_done() ? 0 : static_cast<size_t>(length.value_or(limit));
  const auto held = static_cast<size_t>(state_->stats.body_bytes);
  // Small bodies are always taken, so that one can look into a server that is busy with large ones.
  if (expected > kSmallBody && held + expected > state_->options.body_bytes_total) {
    std::vector<Header> later;
    later.push_back({"Retry-After", "1"});
    co_return co_await refuse(request, 503, "too many large requests at once", std::move(later));
  }
  hold_body(expected);
  parser.body_limit(limit);
  ErrorCode error;
  const auto expect = parser.get().find(http::field::expect);
  if (expect != parser.get().end() && beast::iequals(expect->value(), "100-continue")) {
    const bool sent = co_await write_all("HTTP/1.1 100 Continue\r\n\r\n");
    if (!sent) co_return Next::kClose;
  }
  const auto extra_ms = static_cast<int64_t>(expected / 64);  // 64 bytes a millisecond
  stream_.expires_after(state_->options.body_timeout_ms + extra_ms);
  if (!parser.is_done()) co_await read_message(parser, true, error);
  if (gone(error)) co_return Next::kClose;
  if (error) {
    const Refusal refusal = refusal_of(error, state_->options);
    co_return co_await refuse(request, refusal.status, refusal.message);
  }
  request.body = std::move(parser.get().body());
  co_return std::nullopt;
}

// What to wait for before the guard looks; null: nothing. No deadline: whoever was asked answers,
// if only that it cannot.
std::shared_ptr<asio::steady_timer> Connection::preparing(const HttpRequest& request) {
  if (!state_->options.prepare) return nullptr;
  auto ready = std::make_shared<asio::steady_timer>(state_->io,
                                                    asio::steady_timer::time_point::max());
  if (!state_->options.prepare(request, [ready] { ready->cancel(); })) return nullptr;
  stream_.expires_never();
  return ready;
}

// Nothing: the request is there and `route` is its handler's. Else what becomes of the connection.
asio::awaitable<std::optional<Connection::Next>> Connection::read_request(
    HttpRequest& request, const HttpRoute*& route) {
  Parser parser;
  parser.header_limit(static_cast<uint32_t>(state_->options.head_bytes_max));
  parser.body_limit(boost::none);  // the route's own comes later
  ErrorCode error;
  stream_.expires_after(state_->options.head_timeout_ms);
  co_await read_message(parser, false, error);
  if (gone(error)) co_return Next::kClose;
  if (error) {
    const Refusal refusal = refusal_of(error, state_->options);
    co_return co_await refuse(request, refusal.status, refusal.message);
  }
  fill_head(request, parser);
  keep_alive_ = parser.keep_alive();
  is_http11_ = parser.get().version() >= 11;
  if (const auto problem = head_problem(parser)) {
    co_return co_await refuse(request, problem->status, problem->message);
  }
  auto target = parse_target(request.target);
  if (!target.ok()) co_return co_await refuse(request, 400, target.error().message);
  request.segments = std::move(target->segments);
  request.query = std::move(target->query);
  auto match = state_->router.find(request.method, request.segments);
  route = match.route;
  request.parameters = std::move(match.parameters);
  if (const auto ready = preparing(request)) co_await ready->async_wait(awaited(error));
  error = {};
  HttpResponse space;
  const HttpResponse* stop = nullptr;
  if (state_->options.guard) {
    stop = state_->options.guard(request, route != nullptr ? route->pattern : "", space);
  }
  if (stop != nullptr) {  // before any room is held for a body of nobody knows whom
    const std::string why = std::move(space.body);
    co_return co_await refuse(request, space.status, why, std::move(space.headers));
  }
  const size_t limit = route != nullptr ? route->body_bytes_max : kSmallBody;
  if (auto next = co_await read_body(parser, request, limit)) co_return next;
  if (route != nullptr) co_return std::nullopt;
  if (match.allowed.empty()) {
    co_return co_await refuse(request, 404, fmt::format("there is nothing at {} {}",
                                                        request.method, request.target));
  }
  std::vector<Header> allow;
  allow.push_back({"Allow", fmt::format("{}", fmt::join(match.allowed, ", "))});
  co_return co_await refuse(request, 405,
                            fmt::format("{} takes {}, not {}", request.target, allow[0].value,
                                        request.method),
                            std::move(allow));
}

// Runs beside an answer that takes a while and finds out whether the client is still there.
asio::awaitable<void> Connection::watch(std::weak_ptr<LiveExchange> watched) {
  const auto self = shared_from_this();
  ErrorCode error;
  auto& socket = stream_.socket();
  const auto over = [&] {
    const auto held = watched.lock();
    return !held || held->done() || held->gone() || !socket.is_open();
  };
  ByteStream::Peer peer = ByteStream::Peer::kSilent;
  while (peer == ByteStream::Peer::kSilent) {
    co_await socket.async_wait(asio::ip::tcp::socket::wait_read, awaited(error));
    if (error || over()) co_return;
    peer = stream_.look();
  }
  if (peer == ByteStream::Peer::kGone) {
    abort_exchange();
    co_return;
  }
  // Not held while this waits, so that a handler that drops it is noticed.
  if (const auto held = watched.lock(); held && peer == ByteStream::Peer::kEnded) {
    if (!held->begun() && is_http11_) {
      stream_.send_now("HTTP/1.1 102 Processing\r\n\r\n");
    } else if (held->events()) {
      held->write(":\n\n");
    }
  }
  co_await socket.async_wait(asio::ip::tcp::socket::wait_error, awaited(error));
  if (!error && !over()) abort_exchange();
}

// Sends what the handler gives until the answer is complete (true) or cannot be any more.
asio::awaitable<bool> Connection::send_answer(std::weak_ptr<LiveExchange> answering) {
  for (;;) {
    std::shared_ptr<LiveExchange> exchange = answering.lock();
    pending_.reset();
    if (!exchange || exchange->gone()) co_return false;
    const bool done = exchange->done();
    const std::string bytes = exchange->take_output();
    if (!bytes.empty()) {
      const bool sent = co_await write_all(bytes);
      if (!sent) co_return false;
      exchange->written();
    }
    // An end that came while the bytes were written, and has added none, wakes nobody.
    if (done || (exchange->done() && !exchange->has_output())) co_return true;
    if (exchange->has_output()) continue;
    // Sleeps without holding the exchange, so that a handler that drops it is noticed.
    const bool ping = exchange->events();
    exchange.reset();
    if (answering.expired()) co_return false;
    ErrorCode error;
    wake_.expires_after(milliseconds(state_->options.event_ping_ms));
    co_await wake_.async_wait(awaited(error));
    exchange = answering.lock();
    if (!error && ping && exchange && !exchange->done()) exchange->write(": still here\n\n");
  }
}

asio::awaitable<Connection::Next> Connection::answer(HttpRequest request, const HttpRoute& route) {
  const int64_t begin_us = now_us();
  HttpRequest seen;  // what remains to be told when the handler is done with the request
  seen.method = request.method;
  seen.target = request.target;
  seen.caller = request.caller;
  auto exchange = std::make_shared<LiveExchange>(
      weak_from_this(), std::move(request), keep_alive_ && !state_->draining, is_http11_);
  const std::weak_ptr<LiveExchange> answering = exchange;
  exchange_ = exchange;
  dropped_unanswered_ = false;
  ++state_->stats.requests;
  ++state_->stats.in_flight;
  route.handler(exchange);
  if (!exchange->done()) asio::co_spawn(state_->io, watch(answering), asio::detached);
  const std::shared_ptr<AnswerState> outcome = exchange->outcome();
  exchange.reset();
  bool good = co_await send_answer(answering);
  if (!good && dropped_unanswered_) {
    const Next next = co_await refuse(seen, 500, "nobody answered this request");
    outcome->status = 500;
    outcome->keep_alive = good = next == Next::kLinger;
  }
  --state_->stats.in_flight;
  release_body();
  ErrorCode ignored;
  stream_.socket().cancel(ignored);  // the watcher's wait
  if (!good) {
    ++state_->stats.abandoned;
    if (const auto held = answering.lock(); held && !held->gone()) held->client_gone();
  }
  pending_.reset();
  if (state_->options.observer) {
    constexpr int kClientGone = 499;  // what other servers write into their logs
    state_->options.observer(seen, route.pattern, good ? outcome->status : kClientGone,
                             now_us() - begin_us);
  }
  if (dropped_unanswered_) co_return good ? Next::kLinger : Next::kClose;
  co_return good && outcome->keep_alive ? Next::kKeep : Next::kClose;
}

asio::awaitable<void> Connection::run() {
  const auto self = shared_from_this();
  ErrorCode error;
  stream_.socket().set_option(asio::ip::tcp::no_delay(true), error);
  const auto peer = stream_.socket().remote_endpoint(error);
  const std::string address = error ? std::string() : peer.address().to_string();
  const bool shaken = co_await shake_hands();
  while (shaken) {
    const bool more = co_await wait_for_request();
    if (!more) break;
    HttpRequest request;
    request.peer = address;
    const HttpRoute* route = nullptr;
    std::optional<Next> next = co_await read_request(request, route);
    if (!next) next = co_await answer(std::move(request), *route);
    release_body();
    if (*next == Next::kLinger) co_await stream_.linger(kLingerMs, kLingerBytesMax);
    if (*next == Next::kLinger) co_return;
    if (*next != Next::kKeep) break;
    // Who was told that the connection stays may be sending already.
    if (state_->draining && state_->options.idle_grace_ms <= 0) break;
  }
  stream_.expires_after(kLingerMs);
  co_await stream_.say_goodbye();
}

asio::awaitable<void> Connection::refuse_overload() {
  const auto self = shared_from_this();
  const bool shaken = co_await shake_hands();
  if (!shaken) co_return;
  const HttpRequest nobody;
  std::vector<Header> later;
  later.push_back({"Retry-After", "1"});
  const Next next = co_await refuse(nobody, 503, "too many connections", std::move(later));
  if (next == Next::kLinger) co_await stream_.linger(kLingerMs, kLingerBytesMax);
}

void ServerState::begin_draining() {
  draining = true;
  ErrorCode error;
  acceptor.close(error);
}

void ServerState::close_idle() {
  const std::set<Connection*> all = connections;
  for (Connection* connection : all) connection->close_if_idle();
}

void ServerState::close_all() {
  ended = true;
  begin_draining();
  drain_timer.cancel();
  grace_timer.cancel();
  const std::set<Connection*> all = connections;
  for (Connection* connection : all) connection->abort_exchange();
}

void ServerState::check_stopped() {
  if (!draining || !connections.empty() || !on_stopped) return;
  drain_timer.cancel();
  grace_timer.cancel();
  asio::post(io, std::exchange(on_stopped, nullptr));
}

void start_connection(const std::shared_ptr<ServerState>& state, asio::ip::tcp::socket socket) {
  const bool full = state->connections.size() >= state->options.connections_max;
  if (full) ++state->stats.refused;
  // Some more may be told that they are too many; beyond that only silence is cheap enough.
  if (state->connections.size() >= state->options.connections_max + 64) return;
  const auto connection = std::make_shared<Connection>(state, std::move(socket));
  asio::co_spawn(state->io, full ? connection->refuse_overload() : connection->run(),
                 asio::detached);
}

}  // namespace weft::net
