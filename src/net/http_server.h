// SPDX-License-Identifier: Apache-2.0
//
// HTTP/1.1 for those who ask: a listener and its connections on one Asio io_context. A handler
// gets an Exchange and answers when it can: at once, from a timer, or piece by piece as a model
// writes. Nothing waits in between; a thousand idle connections cost memory only.
//
// Every wait has an end: for the head, the body, the reader of an answer, the next request. Every
// buffer has a size. A client that went away is noticed while its answer is still being made, so
// that the work can stop:
//
//   reading --> handling --> writing --> reading | closed
//                  | the peer sends its FIN: half-closed or gone? HTTP allows interim answers, so
//                  | one is written; a peer that is gone resets the connection.
//
// With `tls` it speaks TLS from the first byte on; who speaks plain HTTP there is told so.
//
// Not here: HTTP/2, compression, WebSockets, files. Not thread-safe: everything is called on
// the thread that runs the io_context.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "net/http_message.h"
#include "net/http_router.h"

namespace boost::asio {
class io_context;
}

namespace weft::net {

class TlsIdentity;

// One request and its answer. A handler keeps it as long as it needs; dropping it unanswered
// answers 500. Answering a client that has gone does nothing.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual HttpRequest& request() = 0;

  // The whole answer. Once, and not after begin().
  virtual void respond(HttpResponse response) = 0;

  // An answer in pieces: begin(), any number of write(), end(). As server-sent events (`events`)
  // a comment goes out whenever nothing else did for a while.
  struct StreamHead {
    int status = 200;
    std::vector<Header> headers = {};
    bool events = true;  // text/event-stream
  };
  virtual void begin(StreamHead head) = 0;
  virtual void write(std::string_view piece) = 0;
  virtual void end() = 0;
  // Bytes given to write() that the client has not taken yet. Beyond a limit the connection is
  // closed, so who can wait should: on_drained is called when it falls to 0.
  virtual size_t unsent_bytes() const = 0;
  virtual void on_drained(std::function<void()> task) = 0;

  // Called once if the client goes away before the answer is complete; at once if it already has.
  virtual void on_closed(std::function<void()> task) = 0;
};

struct HttpServerOptions {
  std::string host = "127.0.0.1";  // an address, not a name
  uint16_t port = 0;               // 0: any free one
  int listening = -1;              // a socket that listens already, instead of these; it is taken
  size_t head_bytes_max = size_t{16} << 10;
  size_t connections_max = 4096;             // further ones are told 503
  size_t body_bytes_total = size_t{256} << 20;  // of all requests being read or handled
  size_t unsent_bytes_max = size_t{8} << 20;    // of one answer in pieces
  std::shared_ptr<const TlsIdentity> tls = {};  // tls_identity.h; null: plain HTTP
  std::vector<Header> tls_headers = {};         // in every answer over TLS
  int64_t handshake_timeout_ms = 10'000;        // for the whole of it
  int64_t head_timeout_ms = 10'000;
  int64_t body_timeout_ms = 30'000;   // and a second for each 64 KB
  int64_t write_timeout_ms = 30'000;  // for each 64 KB
  int64_t idle_timeout_ms = 75'000;   // between requests
  int64_t event_ping_ms = 15'000;
  // Once it stops: who sends without a pause gets so long to be told `Connection: close`, instead
  // of finding the connection closed under a request.
  int64_t idle_grace_ms = 0;
  // What the guard may have to wait for, once its head is there: true if `done` will be called
  // later, on the same thread. The request stays where it is until then. May be empty.
  using Prepare = std::function<bool(const HttpRequest&, std::function<void()> done)>;
  Prepare prepare = {};
  // Looks at every request before its body is read; an answer is sent instead. It may note who
  // asks. `pattern`: of the route, "" if none fits. May be empty.
  using Guard = std::function<const HttpResponse*(HttpRequest&, std::string_view pattern,
                                                  HttpResponse& space)>;
  Guard guard = {};
  // The body of an answer that the server itself gives (404, 413, …), in the API's own form.
  std::function<HttpResponse(const HttpRequest&, int status, std::string_view message)>
      refusal = {};
  // Hears of every answer: the pattern of its route ("" if none fits), status, microseconds.
  std::function<void(const HttpRequest&, std::string_view pattern, int status, int64_t us)>
      observer = {};
};

// Where a socket listens that the process was given (systemd's socket activation). E0821: it is
// none that listens for TCP connections.
struct ListenAddress {
  std::string host;
  uint16_t port = 0;
};
Result<ListenAddress> address_of(int listening);

struct HttpServerStats {
  int64_t connections = 0;   // open now
  int64_t accepted = 0;      // so far
  int64_t refused = 0;       // beyond connections_max, so far
  int64_t requests = 0;      // handled so far
  int64_t in_flight = 0;     // exchanges not finished
  int64_t abandoned = 0;     // whose client went away first, so far
  int64_t timeouts = 0;      // closed by a timeout, so far
  int64_t tls_ends_s = 0;    // when the certificate in use expires, since 1970; 0: no TLS
  int64_t handshakes_failed = 0;  // of TLS: broken, too slow, or plain HTTP; so far
  int64_t body_bytes = 0;    // held now
};

class HttpServer {
 public:
  // Listens at once. E0821: the address is taken, not of this machine, or no address.
  static Result<std::unique_ptr<HttpServer>> start(boost::asio::io_context& io, HttpRouter router,
                                                   HttpServerOptions options);
  // Closes everything; no handler hears of it.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  uint16_t port() const;
  HttpServerStats stats() const;
  // For connections from now on; a server without TLS gets none.
  void set_tls(std::shared_ptr<const TlsIdentity> tls);

  // No new connections, idle ones are closed (after idle_grace_ms), answers under way get
  // `drain_ms`, then their clients lose them. `stopped` is called when the last connection is
  // closed. Who waits to be accepted on a socket that other processes have too is left to them.
  void stop(int64_t drain_ms, std::function<void()> stopped);

 private:
  struct Shared;
  explicit HttpServer(std::shared_ptr<Shared> shared);
  std::shared_ptr<Shared> shared_;
};

}  // namespace weft::net
