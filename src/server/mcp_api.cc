// SPDX-License-Identifier: Apache-2.0
#include "server/mcp_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <deque>

#include "base/strings.h"
#include "server/access.h"
#include "server/fields.h"
#include "server/openai_error.h"

namespace weft::server {
namespace {

constexpr McpLimits kLimits;
constexpr size_t kStreamsMax = 64;                       // of a session
constexpr size_t kKeptBytesMax = size_t{1} << 20;        // of a stream
constexpr int64_t kLookUs = int64_t{60} * 1'000'000;
constexpr int kRetryMs = 1000;
constexpr int kRetryFullS = 30;

void refuse_message(const ExchangePtr& exchange, int status, McpError code,
                    std::string_view message) {
  net::HttpResponse response = json_response(mcp_error(json::Value(), code, message), status);
  if (status == 429 || status == 503) {
    response.headers.push_back({"Retry-After", std::to_string(kRetryFullS)});
  }
  exchange->respond(std::move(response));
}

// Tenants' names hold no line feed.
std::string holder_of(const security::Caller& caller) {
  return fmt::format("{}\n{}", caller.tenant, caller.key);
}

bool accepts(const net::HttpRequest& request, std::string_view type) {
  const std::string* accept = request.header("Accept");
  if (accept == nullptr) return true;
  return accept->find(type) != std::string::npos || accept->find("*/*") != std::string::npos;
}

std::string session_id(Env& env) {
  uint8_t bytes[16];
  env.random(bytes);
  std::string out;
  for (const uint8_t byte : bytes) out += fmt::format("{:02x}", byte);
  return out;
}

}  // namespace

// The events of one call, or of a client that only listens.
class McpStream {
 public:
  // What it keeps is added to `sums`.
  McpStream(uint64_t number, std::vector<std::shared_ptr<size_t>> sums)
      : number_(number), sums_(std::move(sums)) {}
  ~McpStream() { forget(); }
  McpStream(const McpStream&) = delete;
  McpStream& operator=(const McpStream&) = delete;

  // Everything behind event `seen`, then what comes. A connection before this one is ended.
  void attach(const ExchangePtr& exchange, int64_t seen, bool prime) {
    if (exchange_) exchange_->end();
    exchange_ = exchange;
    exchange_->begin({.status = 200, .headers = {{"Cache-Control", "no-store"}}, .events = true});
    if (prime) {
      exchange_->write(fmt::format("id: {}-0\nretry: {}\ndata: \n\n", number_, kRetryMs));
    }
    for (const auto& [event, text] : kept_) {
      if (event > seen) exchange_->write(text);
    }
    if (done_) exchange_->end();
    if (done_) exchange_.reset();
  }
  // The client went away; it may come back.
  void detach(const ExchangePtr& exchange) {
    if (exchange_ == exchange) exchange_.reset();
  }
  void send(const json::Object& message) {
    std::string text = fmt::format("id: {}-{}\ndata: {}\n\n", number_, ++newest_,
                                   json::dump(message));
    if (exchange_) exchange_->write(text);
    if (!resumable_) return;
    count(static_cast<int64_t>(text.size()));
    kept_.emplace_back(newest_, std::move(text));
    while (bytes_ > kKeptBytesMax && kept_.size() > 1) {
      count(-static_cast<int64_t>(kept_.front().second.size()));
      kept_.pop_front();
    }
  }
  // What was sent so far cannot be asked for again.
  void forget() {
    count(-static_cast<int64_t>(bytes_));
    kept_.clear();
  }
  // Nobody can come back to it: its session does not know it any more.
  void forget_for_good() {
    resumable_ = false;
    forget();
  }
  void finish() {
    done_ = true;
    if (exchange_) std::exchange(exchange_, nullptr)->end();
  }
  size_t kept_bytes() const { return bytes_; }
  bool done() const { return done_; }
  bool attached() const { return exchange_ != nullptr; }
  uint64_t number() const { return number_; }

 private:
  void count(int64_t bytes) {
    bytes_ += static_cast<size_t>(bytes);
    for (const auto& sum : sums_) *sum += static_cast<size_t>(bytes);
  }

  const uint64_t number_;
  const std::vector<std::shared_ptr<size_t>> sums_;
  ExchangePtr exchange_;
  std::deque<std::pair<int64_t, std::string>> kept_;
  size_t bytes_ = 0;
  bool resumable_ = true;
  int64_t newest_ = 0;
  bool done_ = false;
};

McpEndpoint::McpEndpoint(ServerContext& context, std::shared_ptr<const McpDocuments> documents)
    : context_(context), documents_(std::move(documents)) {}

McpEndpoint::~McpEndpoint() {
  if (look_ != 0) context_.loop.cancel(look_);
  for (auto& [id, client] : clients_) client.session->end();
}

void McpEndpoint::post(const ExchangePtr& exchange) {
  const net::HttpRequest& request = exchange->request();
  if (!accepts(request, "application/json") && !accepts(request, "text/event-stream")) {
    return refuse_message(exchange, 406, McpError::kRequest,
                          "accept application/json and text/event-stream");
  }
  const std::string* type = request.header("Content-Type");
  if (type == nullptr || !type->starts_with("application/json")) {
    return refuse_message(exchange, 415, McpError::kRequest, "Content-Type: application/json");
  }
  auto message = json::parse(request.body);
  if (!message.ok()) {
    return refuse_message(exchange, 400, McpError::kParse, message.error().message);
  }
  if (!message->is_object()) {
    return refuse_message(exchange, 400, McpError::kRequest,
                          "one message a request: an object of JSON-RPC 2.0");
  }
  take(exchange, std::move(*message));
}

void McpEndpoint::take(const ExchangePtr& exchange, json::Value message) {
  const json::Object& object = message.get_object();
  const json::Value* method = object.if_contains("method");
  const bool request = object.contains("id") && method != nullptr && method->is_string();
  const std::string name = method != nullptr && method->is_string()
                               ? std::string(method->get_string())
                               : std::string();
  if (request && name == "initialize") return begin_session(exchange, std::move(message));
  Client* client = client_of(exchange);
  if (client == nullptr) return;
  if (!request) {
    auto response = std::make_shared<net::HttpResponse>(net::HttpResponse{202, {}, ""});
    client->session->handle(std::move(message), [response](json::Object refused, bool) {
      *response = json_response(refused, 400);
    });
    return exchange->respond(std::move(*response));
  }
  if (name != "tools/call" || !accepts(exchange->request(), "text/event-stream")) {
    ++*client->waiting;
    // Also where no answer comes.
    const auto waits = std::shared_ptr<void>(
        nullptr, [waiting = client->waiting](void*) { --*waiting; });
    const auto answered = [exchange, waits](json::Object answer, bool last) {
      if (last) exchange->respond(json_response(answer));
    };
    return client->session->handle(std::move(message), answered);
  }
  const auto stream = open_stream(*client, exchange);
  client->session->handle(std::move(message), [this, stream](json::Object answer, bool last) {
    if (!answer.empty()) send(*stream, answer);
    if (last) stream->finish();
  });
}

std::shared_ptr<McpStream> McpEndpoint::open_stream(Client& client, const ExchangePtr& exchange) {
  while (client.streams.size() >= kStreamsMax) {  // the oldest that is over, else the oldest
    auto old = std::ranges::find_if(client.streams,
                                    [](const auto& one) { return one.second->done(); });
    if (old == client.streams.end()) old = client.streams.begin();
    old->second->forget_for_good();
    client.streams.erase(old);
  }
  auto stream = std::make_shared<McpStream>(++newest_stream_,
                                            std::vector{client.kept_bytes, kept_bytes_});
  client.streams[stream->number()] = stream;
  stream->attach(exchange, 0, client.session->version() >= kMcpVersions[0]);
  exchange->on_closed([stream, weak = std::weak_ptr(exchange)] {
    if (const auto gone = weak.lock()) stream->detach(gone);
  });
  return stream;
}

void McpEndpoint::begin_session(const ExchangePtr& exchange, json::Value message) {
  forget_old();
  const security::Caller& caller = caller_of(exchange->request());
  const int64_t now_ns = context_.env.mono_ns();
  const McpRoom room = mcp_room_for(seats(), holder_of(caller), now_ns, kLimits);
  if (room.status != 0) {
    return refuse_message(exchange, room.status, McpError::kInternal, room.why);
  }
  if (room.ends) end_session(std::next(clients_.begin(), static_cast<int64_t>(*room.ends)));
  Client client;
  client.session =
      std::make_shared<McpSession>(context_, documents_, caller);
  client.used_ns = now_ns;
  const auto session = client.session;
  session->handle(std::move(message), [&](json::Object answer, bool) {
    net::HttpResponse response = json_response(answer);
    if (session->initialized()) {
      const std::string id = session_id(context_.env);
      clients_[id] = std::move(client);
      look_later();
      response.headers.push_back({"Mcp-Session-Id", id});
    }
    exchange->respond(std::move(response));
  });
}

McpEndpoint::Client* McpEndpoint::client_of(const ExchangePtr& exchange) {
  const net::HttpRequest& request = exchange->request();
  const std::string* version = request.header("MCP-Protocol-Version");
  if (version != nullptr &&
      std::ranges::find(kMcpVersions, *version) == std::end(kMcpVersions)) {
    refuse_message(exchange, 400, McpError::kRequest, "an unknown MCP-Protocol-Version");
    return nullptr;
  }
  const std::string* id = request.header("Mcp-Session-Id");
  if (id == nullptr) {
    refuse_message(exchange, 400, McpError::kRequest, "the Mcp-Session-Id is missing");
    return nullptr;
  }
  const auto found = clients_.find(*id);
  const security::Caller& caller = caller_of(request);
  if (found == clients_.end() ||  // the client is to begin anew
      found->second.session->caller().key != caller.key ||
      found->second.session->caller().tenant != caller.tenant) {
    refuse_message(exchange, 404, McpError::kRequest, "there is no such session");
    return nullptr;
  }
  found->second.used_ns = context_.env.mono_ns();
  return &found->second;
}

void McpEndpoint::get(const ExchangePtr& exchange) {
  if (!accepts(exchange->request(), "text/event-stream")) {
    return refuse_message(exchange, 406, McpError::kRequest, "accept text/event-stream");
  }
  if (context_.draining) {
    return refuse_message(exchange, 503, McpError::kInternal, "the server is stopping");
  }
  Client* client = client_of(exchange);
  if (client == nullptr) return;
  const auto attach = [&](const std::shared_ptr<McpStream>& stream, int64_t seen) {
    stream->attach(exchange, seen, false);
    exchange->on_closed([stream, weak = std::weak_ptr(exchange)] {
      if (const auto gone = weak.lock()) stream->detach(gone);
    });
  };
  if (const std::string* last = exchange->request().header("Last-Event-ID")) {
    uint64_t number = 0;
    int64_t seen = 0;
    const size_t dash = std::min(last->find('-'), last->size());
    std::from_chars(last->data(), last->data() + dash, number);
    if (dash < last->size()) {
      std::from_chars(last->data() + dash + 1, last->data() + last->size(), seen);
    }
    const auto found = client->streams.find(number);
    if (found != client->streams.end()) return attach(found->second, seen);
    if (client->standing && client->standing->number() == number) {
      return attach(client->standing, seen);
    }
  }
  if (client->standing && client->standing->attached()) {
    return refuse_message(exchange, 409, McpError::kRequest, "the session has such a stream");
  }
  if (client->standing) client->standing->forget_for_good();
  client->standing = std::make_shared<McpStream>(++newest_stream_,
                                                 std::vector{client->kept_bytes, kept_bytes_});
  attach(client->standing, 0);
  client->session->set_listener([this, stream = client->standing,
                                 caller = client->session->caller()](json::Object message, bool) {
    if (context_.access && !context_.access->still(caller)) return stream->finish();
    send(*stream, message);
  });
}

void McpEndpoint::remove(const ExchangePtr& exchange) {
  Client* client = client_of(exchange);
  if (client == nullptr) return;
  end_session(clients_.find(*exchange->request().header("Mcp-Session-Id")));
  exchange->respond(json_response(json::Object()));
}

void McpEndpoint::drain() {
  for (auto& [id, client] : clients_) {
    if (client.standing) client.standing->finish();
  }
}

bool McpEndpoint::Client::busy() const {
  return *waiting > 0 || (standing && standing->attached()) ||
         std::ranges::any_of(streams, [](const auto& one) { return one.second->attached(); });
}

// What is over goes first.
void McpEndpoint::Client::forget_oldest() {
  McpStream* oldest = nullptr;
  for (const auto& [number, stream] : streams) {
    if (stream->kept_bytes() == 0 || (oldest != nullptr && !stream->done())) continue;
    if (oldest == nullptr || !oldest->done()) oldest = stream.get();
  }
  if (oldest == nullptr) oldest = standing.get();
  if (oldest != nullptr) oldest->forget();
}

std::vector<McpSeat> McpEndpoint::seats() const {
  std::vector<McpSeat> out;
  for (const auto& [id, client] : clients_) {
    out.push_back({holder_of(client.session->caller()), client.used_ns, client.busy(),
                   *client.kept_bytes});
  }
  return out;
}

void McpEndpoint::send(McpStream& stream, const json::Object& message) {
  stream.send(message);
  while (*kept_bytes_ > std::min(kLimits.kept_bytes, kLimits.kept_bytes_of_key)) {
    const auto who = mcp_who_forgets(seats(), kLimits);
    if (!who) return;
    std::next(clients_.begin(), static_cast<int64_t>(*who))->second.forget_oldest();
  }
}

void McpEndpoint::end_session(Clients::iterator client) {
  const Client ended = std::move(client->second);
  clients_.erase(client);
  ended.session->end();
  for (const auto& [number, stream] : ended.streams) {
    stream->finish();
    stream->forget_for_good();
  }
  if (ended.standing) ended.standing->finish();
  if (ended.standing) ended.standing->forget_for_good();
}

// What is at work is used: a session to which somebody listens, and one with a call under way also
// while nobody waits for it. A client whose connection broke has its time to come back.
void McpEndpoint::forget_old() {
  const int64_t now_ns = context_.env.mono_ns();
  for (auto& [id, client] : clients_) {
    if (client.busy() || client.session->open_calls() > 0) client.used_ns = now_ns;
  }
  const std::vector<size_t> idle = mcp_idle(seats(), now_ns, kLimits);
  for (auto last = idle.rbegin(); last != idle.rend(); ++last) {
    end_session(std::next(clients_.begin(), static_cast<int64_t>(*last)));
  }
}

// Without it the last sessions would keep what they have for as long as no other begins.
void McpEndpoint::look_later() {
  if (look_ != 0 || clients_.empty()) return;
  look_ = context_.loop.after(kLookUs, [this] {
    look_ = 0;
    forget_old();
    look_later();
  });
}

void mcp_post(ServerContext& context, const ExchangePtr& exchange) {
  context.mcp->post(exchange);
}
void mcp_get(ServerContext& context, const ExchangePtr& exchange) { context.mcp->get(exchange); }
void mcp_delete(ServerContext& context, const ExchangePtr& exchange) {
  context.mcp->remove(exchange);
}

}  // namespace weft::server
