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

constexpr size_t kSessionsMax = 1024;
constexpr int64_t kSessionsOfKeyMax = 64;
constexpr size_t kStreamsMax = 64;                       // of a session
constexpr size_t kKeptBytesMax = size_t{1} << 20;        // of a stream
constexpr int64_t kIdleNs = int64_t{3600} * 1'000'000'000;
constexpr int kRetryMs = 1000;

void refuse_message(const ExchangePtr& exchange, int status, McpError code,
                    std::string_view message) {
  exchange->respond(json_response(mcp_error(json::Value(), code, message), status));
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
  explicit McpStream(uint64_t number) : number_(number) {}

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
    bytes_ += text.size();
    kept_.emplace_back(newest_, std::move(text));
    while (bytes_ > kKeptBytesMax && kept_.size() > 1) {
      bytes_ -= kept_.front().second.size();
      kept_.pop_front();
    }
  }
  void finish() {
    done_ = true;
    if (exchange_) std::exchange(exchange_, nullptr)->end();
  }
  bool done() const { return done_; }
  bool attached() const { return exchange_ != nullptr; }
  uint64_t number() const { return number_; }

 private:
  const uint64_t number_;
  ExchangePtr exchange_;
  std::deque<std::pair<int64_t, std::string>> kept_;
  size_t bytes_ = 0;
  int64_t newest_ = 0;
  bool done_ = false;
};

McpEndpoint::McpEndpoint(ServerContext& context, std::shared_ptr<const McpDocuments> documents)
    : context_(context), documents_(std::move(documents)) {}

McpEndpoint::~McpEndpoint() {
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
  const bool request = object.contains("id") && method != nullptr;
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
    return client->session->handle(std::move(message), [exchange](json::Object answer, bool last) {
      if (last) exchange->respond(json_response(answer));
    });
  }
  const auto stream = open_stream(*client, exchange);
  client->session->handle(std::move(message), [stream](json::Object answer, bool last) {
    if (!answer.empty()) stream->send(answer);
    if (last) stream->finish();
  });
}

std::shared_ptr<McpStream> McpEndpoint::open_stream(Client& client, const ExchangePtr& exchange) {
  while (client.streams.size() >= kStreamsMax) {  // the oldest that is over, else the oldest
    auto old = std::ranges::find_if(client.streams,
                                    [](const auto& one) { return one.second->done(); });
    client.streams.erase(old == client.streams.end() ? client.streams.begin() : old);
  }
  auto stream = std::make_shared<McpStream>(++newest_stream_);
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
  const auto own = std::ranges::count_if(clients_, [&](const auto& one) {
    const security::Caller& theirs = one.second.session->caller();
    return theirs.key == caller.key && theirs.tenant == caller.tenant;
  });
  if (own >= kSessionsOfKeyMax || clients_.size() >= kSessionsMax) {
    return refuse_message(exchange, 503, McpError::kInternal, "too many sessions");
  }
  Client client;
  client.session =
      std::make_shared<McpSession>(context_, documents_, caller);
  client.used_ns = context_.env.mono_ns();
  const auto session = client.session;
  session->handle(std::move(message), [&](json::Object answer, bool) {
    net::HttpResponse response = json_response(answer);
    if (session->initialized()) {
      const std::string id = session_id(context_.env);
      clients_[id] = std::move(client);
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
  client->standing = std::make_shared<McpStream>(++newest_stream_);
  attach(client->standing, 0);
  client->session->set_listener([this, stream = client->standing,
                                 caller = client->session->caller()](json::Object message, bool) {
    if (context_.access && !context_.access->still(caller)) return stream->finish();
    stream->send(message);
  });
}

void McpEndpoint::remove(const ExchangePtr& exchange) {
  Client* client = client_of(exchange);
  if (client == nullptr) return;
  client->session->end();
  for (const auto& [number, stream] : client->streams) stream->finish();
  if (client->standing) client->standing->finish();
  clients_.erase(*exchange->request().header("Mcp-Session-Id"));
  exchange->respond(json_response(json::Object()));
}

void McpEndpoint::drain() {
  for (auto& [id, client] : clients_) {
    if (client.standing) client.standing->finish();
  }
}

void McpEndpoint::forget_old() {
  const int64_t before_ns = context_.env.mono_ns() - kIdleNs;
  std::erase_if(clients_, [&](const auto& one) {
    const Client& client = one.second;
    const bool listens = client.standing && client.standing->attached();
    const bool works = std::ranges::any_of(client.streams, [](const auto& stream) {
      return !stream.second->done();
    });
    if (client.used_ns >= before_ns || listens || works) return false;
    client.session->end();
    return true;
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
