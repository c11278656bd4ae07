// SPDX-License-Identifier: Apache-2.0
#include "net/client.h"

#include <curl/curl.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <unordered_map>

#include "base/strings.h"
#include "net/guard.h"
#include "net/url.h"

namespace weft::net {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr size_t kHeaderBytesMax = 256 * 1024;

void init_curl_once() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  CHECK(code == CURLE_OK);
}

// One hop after the other of one request.
struct Call {
  Call(asio::io_context& io, Request what, Client::Done then)
      : request(std::move(what)), done(std::move(then)), deadline(io), started(Clock::now()) {}
  ~Call() { release(); }
  void release() {
    if (easy) curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
    easy = nullptr;
    headers = nullptr;
  }

  Client::CallId id = 0;
  Request request;
  Client::Done done;
  asio::steady_timer deadline;
  Clock::time_point started;
  const Guard* guard = nullptr;
  Url url;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  char detail[CURL_ERROR_SIZE] = {};
  std::optional<Error> error;  // why we made the transfer fail
  Response response;
  size_t header_bytes = 0;
  size_t body_bytes = 0;
};

// curl asks for a socket with the address that it is about to dial.
curl_socket_t open_socket(void* data, curlsocktype, curl_sockaddr* address) {
  auto& call = *static_cast<Call*>(data);
  if (auto refused = call.guard->refusal(call.url, address->addr)) {
    call.error = std::move(refused);
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

size_t take_header(char* data, size_t, size_t size, void* pointer) {
  auto& call = *static_cast<Call*>(pointer);
  const std::string_view line(data, size);
  if (line.substr(0, 5) == "HTTP/") {  // also after a "100 Continue"
    call.response.headers.clear();
    return size;
  }
  call.header_bytes += size;
  if (call.header_bytes > kHeaderBytesMax) {
    call.error = make_error("E0807", fmt::format("the answer of {} has more than {} bytes of "
                                                 "headers", call.url.host, kHeaderBytesMax));
    return 0;
  }
  const size_t colon = line.find(':');
  if (colon == line.npos) return size;
  call.response.headers.push_back(
      {std::string(line.substr(0, colon)), std::string(trim(line.substr(colon + 1)))});
  return size;
}

size_t take_body(char* data, size_t, size_t size, void* pointer) {
  auto& call = *static_cast<Call*>(pointer);
  call.body_bytes += size;
  if (call.body_bytes > call.request.response_bytes_max) {
    call.error = make_error("E0807", fmt::format("the answer of {} is larger than {} bytes",
                                                 call.url.host, call.request.response_bytes_max),
                            "raise the limit of the request, or ask for less");
    return 0;
  }
  long status = 0;
  curl_easy_getinfo(call.easy, CURLINFO_RESPONSE_CODE, &status);
  if (call.request.on_body && status >= 200 && status < 300) {
    call.request.on_body(std::string_view(data, size));
  } else {
    call.response.body.append(data, size);
  }
  return size;
}

Error transfer_error(const Call& call, CURLcode code) {
  const std::string detail = call.detail[0] ? call.detail : curl_easy_strerror(code);
  const std::string where = fmt::format("{}://{}:{}", call.url.scheme, call.url.host,
                                        call.url.port);
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return make_error("E0803", fmt::format("{}: the name cannot be resolved: {}", where, detail),
                        "check the spelling of the host and the name server");
    case CURLE_COULDNT_CONNECT:
      return make_error("E0803", fmt::format("{}: no connection: {}", where, detail),
                        "check that the server runs and that the port is right");
    case CURLE_OPERATION_TIMEDOUT:
      return make_error("E0805", fmt::format("{}: no connection within {} ms: {}", where,
                                             call.request.connect_timeout_ms, detail),
                        "check the address, or raise the connect timeout");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      return make_error("E0804", fmt::format("{}: TLS: {}", where, detail),
                        "certificates are always verified: add the server's authority to those "
                        "that the system trusts");
    default:
      return make_error("E0808", fmt::format("{}: the exchange broke off: {}", where, detail),
                        "the server may have acted on the request; look there before repeating it");
  }
}

}  // namespace

const std::string* find_header(const Response& response, std::string_view name) {
  for (const Header& header : response.headers) {
    if (same_header_name(header.name, name)) return &header.value;
  }
  return nullptr;
}

struct Client::Impl : std::enable_shared_from_this<Client::Impl> {
  struct Watch {  // of one socket of curl's
    explicit Watch(asio::io_context& context) : descriptor(context) {}
    asio::posix::stream_descriptor descriptor;
    int want = CURL_POLL_NONE;
    bool open = true, reading = false, writing = false;
  };

  Impl(asio::io_context& context, ClientOptions what)
      : io(context), options(std::move(what)), guard(options.policy, !options.proxy.empty()),
        timer(context), multi(curl_multi_init()) {
    CHECK(multi != nullptr);
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &Impl::on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &Impl::on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, long{options.connections_max});
  }
  ~Impl() { CHECK(multi == nullptr); }  // close() came first

  void close();
  void begin(Call& call);
  Status prepare(Call& call);
  Status set_headers(Call& call);
  void set_method(Call& call);
  void end(CallId id, Result<Response> result);
  void end_hop(Call& call, CURLcode code);
  Result<bool> follow(Call& call);
  void act(curl_socket_t socket, int events);
  void arm(curl_socket_t socket, const std::shared_ptr<Watch>& watch);
  void wait(curl_socket_t socket, const std::shared_ptr<Watch>& watch, bool read);

  static int on_socket(CURL*, curl_socket_t socket, int what, void* self, void*);
  static int on_timer(CURLM*, long timeout_ms, void* self);

  asio::io_context& io;
  ClientOptions options;
  Guard guard;
  asio::steady_timer timer;
  CURLM* multi;
  std::unordered_map<CallId, std::unique_ptr<Call>> calls;
  std::unordered_map<curl_socket_t, std::shared_ptr<Watch>> watches;
  CallId last_id = 0;
};

// --- sockets and timers of curl, watched by Asio

int Client::Impl::on_socket(CURL*, curl_socket_t socket, int what, void* pointer, void*) {
  auto& self = *static_cast<Impl*>(pointer);
  auto& watch = self.watches[socket];
  if (what == CURL_POLL_REMOVE) {
    if (watch) {
      watch->open = false;
      watch->descriptor.release();  // curl closes it, or keeps it in its pool
    }
    self.watches.erase(socket);
    return 0;
  }
  if (!watch) {
    watch = std::make_shared<Watch>(self.io);
    boost::system::error_code ec;
    watch->descriptor.assign(socket, ec);
    if (ec) {
      self.watches.erase(socket);
      return -1;
    }
  }
  watch->want = what;
  self.arm(socket, watch);
  return 0;
}

void Client::Impl::arm(curl_socket_t socket, const std::shared_ptr<Watch>& watch) {
  if ((watch->want & CURL_POLL_IN) && !watch->reading) wait(socket, watch, true);
  if ((watch->want & CURL_POLL_OUT) && !watch->writing) wait(socket, watch, false);
}

void Client::Impl::wait(curl_socket_t socket, const std::shared_ptr<Watch>& watch, bool read) {
  (read ? watch->reading : watch->writing) = true;
  const auto kind = read ? asio::posix::stream_descriptor::wait_read
                         : asio::posix::stream_descriptor::wait_write;
  watch->descriptor.async_wait(
      kind, [weak = weak_from_this(), watch, socket, read](boost::system::error_code ec) {
        (read ? watch->reading : watch->writing) = false;
        const auto self = weak.lock();
        if (ec || !watch->open || !self || !self->multi) return;
        if (watch->want & (read ? CURL_POLL_IN : CURL_POLL_OUT)) {
          self->act(socket, read ? CURL_CSELECT_IN : CURL_CSELECT_OUT);
        }
        if (watch->open && self->multi) self->arm(socket, watch);
      });
}

int Client::Impl::on_timer(CURLM*, long timeout_ms, void* pointer) {
  auto& self = *static_cast<Impl*>(pointer);
  if (timeout_ms < 0) {
    self.timer.cancel();
    return 0;
  }
  self.timer.expires_after(std::chrono::milliseconds(timeout_ms));
  self.timer.async_wait([weak = self.weak_from_this()](boost::system::error_code ec) {
    const auto impl = weak.lock();
    if (!ec && impl && impl->multi) impl->act(CURL_SOCKET_TIMEOUT, 0);
  });
  return 0;
}

void Client::Impl::act(curl_socket_t socket, int events) {
  int running = 0;
  curl_multi_socket_action(multi, socket, events, &running);
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    Call* call = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
    CHECK(call && call->easy == message->easy_handle);
    end_hop(*call, message->data.result);
  }
}

// --- one request

void Client::Impl::begin(Call& call) {
  const Status ready = prepare(call);
  if (!ready.ok()) return end(call.id, ready.error());
  const CURLMcode code = curl_multi_add_handle(multi, call.easy);
  CHECK(code == CURLM_OK, "{}", curl_multi_strerror(code));
}

Status Client::Impl::prepare(Call& call) {
  if (auto refused = guard.refusal(call.url)) return *refused;
  call.release();
  call.easy = curl_easy_init();
  CHECK(call.easy != nullptr);
  call.guard = &guard;
  call.body_bytes = 0;
  call.response.body.clear();
  const auto set = [&](CURLoption option, auto value) {
    const CURLcode code = curl_easy_setopt(call.easy, option, value);
    CHECK(code == CURLE_OK, "option {}: {}", static_cast<int>(option), curl_easy_strerror(code));
  };
  set(CURLOPT_URL, call.url.text.c_str());
  set(CURLOPT_PRIVATE, static_cast<void*>(&call));
  set(CURLOPT_ERRORBUFFER, call.detail);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_PROXY, options.proxy.c_str());
  set(CURLOPT_USERAGENT, options.user_agent.c_str());
  set(CURLOPT_ACCEPT_ENCODING, "");
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(call.request.connect_timeout_ms));
  set(CURLOPT_OPENSOCKETFUNCTION, &open_socket);
  set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(&call));
  set(CURLOPT_HEADERFUNCTION, &take_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(&call));
  set(CURLOPT_WRITEFUNCTION, &take_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&call));
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  if (!options.ca_file.empty()) set(CURLOPT_CAINFO, options.ca_file.c_str());
  set_method(call);
  return set_headers(call);
}

void Client::Impl::set_method(Call& call) {
  const Request& request = call.request;
  curl_easy_setopt(call.easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  if (request.method == "HEAD") curl_easy_setopt(call.easy, CURLOPT_NOBODY, 1L);
  const bool sends_body = !request.body.empty() || request.method == "POST" ||
                          request.method == "PUT" || request.method == "PATCH";
  if (sends_body) {
    curl_easy_setopt(call.easy, CURLOPT_POSTFIELDS, request.body.c_str());
    curl_easy_setopt(call.easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
  }
  // On a reused connection that the server closes, curl sends the request again, unasked: it
  // cannot know whether the first one was acted upon. Only on a new connection it does not.
  if (!may_repeat(request)) curl_easy_setopt(call.easy, CURLOPT_FRESH_CONNECT, 1L);
}

Status Client::Impl::set_headers(Call& call) {
  std::vector<std::string> lines = {"Expect:"};
  if (!find_request_header(call.request, "Content-Type")) lines.emplace_back("Content-Type:");
  for (const Header& header : call.request.headers) {
    // "Name;" is curl's form of a header without a value
    lines.push_back(header.value.empty() ? header.name + ";" : header.name + ": " + header.value);
  }
  for (const std::string& line : lines) {
    curl_slist* longer = curl_slist_append(call.headers, line.c_str());
    CHECK(longer != nullptr);
    call.headers = longer;
  }
  curl_easy_setopt(call.easy, CURLOPT_HTTPHEADER, call.headers);
  return ok_status();
}

void Client::Impl::end_hop(Call& call, CURLcode code) {
  curl_multi_remove_handle(multi, call.easy);
  if (call.error && code != CURLE_OK) return end(call.id, *call.error);
  if (code != CURLE_OK) return end(call.id, transfer_error(call, code));
  call.error.reset();  // one address of several was refused, another one answered
  long status = 0;
  curl_easy_getinfo(call.easy, CURLINFO_RESPONSE_CODE, &status);
  call.response.status = static_cast<int>(status);
  call.response.url = call.url.text;
  const auto followed = follow(call);
  if (!followed.ok()) return end(call.id, followed.error());
  if (*followed) return begin(call);
  const auto elapsed = Clock::now() - call.started;
  call.response.elapsed_us =
      std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count();
  end(call.id, std::move(call.response));
}

// Whether the answer was a redirect; the call then holds the next hop.
Result<bool> Client::Impl::follow(Call& call) {
  const std::string* location = find_header(call.response, "Location");
  if (!location || call.request.redirects_max == 0) return false;
  if (!is_redirect(call.response.status)) return false;
  if (call.response.redirects >= call.request.redirects_max) {
    return make_error("E0809", fmt::format("{}: more than {} redirects", call.url.host,
                                           call.request.redirects_max),
                      "the server may redirect in a circle; ask for the last address directly");
  }
  auto next = resolve_url(call.url, *location);
  if (!next.ok()) {
    return make_error("E0809", fmt::format("{} redirects to an address that cannot be followed: {}",
                                           call.url.host, next.error().message),
                      "ask for the last address directly");
  }
  TRY(check_redirect(call.url, *next));
  redirect(call.request, call.response.status, call.url.same_origin(*next));
  ++call.response.redirects;
  call.url = std::move(next).value();
  return true;
}

void Client::Impl::end(CallId id, Result<Response> result) {
  const auto found = calls.find(id);
  CHECK(found != calls.end());
  std::unique_ptr<Call> call = std::move(found->second);
  calls.erase(found);
  call->deadline.cancel();
  asio::post(io, [done = std::move(call->done), result = std::move(result)]() mutable {
    if (done) done(std::move(result));
  });
}

void Client::Impl::close() {
  while (!calls.empty()) {
    Call& call = *calls.begin()->second;
    if (call.easy) curl_multi_remove_handle(multi, call.easy);
    end(call.id, make_error("E0806", fmt::format("the request to {} was cancelled: the client "
                                                 "ends", call.url.host)));
  }
  timer.cancel();
  curl_multi_cleanup(multi);  // calls on_socket for each connection of the pool
  multi = nullptr;
  for (auto& [socket, watch] : watches) {
    watch->open = false;
    watch->descriptor.release();
  }
  watches.clear();
}

Client::Client(boost::asio::io_context& io, ClientOptions options) {
  init_curl_once();
  impl_ = std::make_shared<Impl>(io, std::move(options));
}

Client::~Client() { impl_->close(); }

size_t Client::active() const { return impl_->calls.size(); }

Client::CallId Client::send(Request request, Done done) {
  Impl& impl = *impl_;
  const CallId id = ++impl.last_id;
  auto call = std::make_unique<Call>(impl.io, std::move(request), std::move(done));
  call->id = id;
  Call& placed = *call;
  impl.calls.emplace(id, std::move(call));
  const auto url = [&]() -> Result<Url> {
    TRY(check_request(placed.request));
    return with_query(TRY(parse_url(placed.request.url)), placed.request.query);
  }();
  if (!url.ok()) {
    impl.end(id, url.error());
    return id;
  }
  placed.url = *url;
  placed.deadline.expires_after(std::chrono::milliseconds(placed.request.total_timeout_ms));
  placed.deadline.async_wait([weak = impl_->weak_from_this(), id](boost::system::error_code ec) {
    const auto self = weak.lock();
    if (ec || !self || !self->multi) return;
    const auto found = self->calls.find(id);
    if (found == self->calls.end()) return;
    Call& late = *found->second;
    if (late.easy) curl_multi_remove_handle(self->multi, late.easy);
    self->end(id, make_error("E0805",
                             fmt::format("{}://{}:{}: no complete answer within {} ms",
                                         late.url.scheme, late.url.host, late.url.port,
                                         late.request.total_timeout_ms),
                             "raise the timeout; the server may have acted on the request"));
  });
  // later, because this may be called from on_body, inside of curl
  asio::post(impl.io, [weak = impl_->weak_from_this(), id] {
    const auto self = weak.lock();
    if (!self || !self->multi) return;
    const auto found = self->calls.find(id);
    if (found != self->calls.end()) self->begin(*found->second);
  });
  return id;
}

void Client::cancel(CallId id) {
  // later, because this may be called from on_body, inside of curl
  asio::post(impl_->io, [weak = impl_->weak_from_this(), id] {
    const auto self = weak.lock();
    if (!self || !self->multi) return;
    const auto found = self->calls.find(id);
    if (found == self->calls.end()) return;
    Call& call = *found->second;
    if (call.easy) curl_multi_remove_handle(self->multi, call.easy);
    self->end(id, make_error("E0806", fmt::format("the request to {} was cancelled",
                                                  call.url.host)));
  });
}

}  // namespace weft::net
