// SPDX-License-Identifier: Apache-2.0
#include "worker/mcp_client.h"

#include <algorithm>

#include "base/strings.h"
#include "worker/asio_loop.h"
#include "worker/mcp_transport.h"

namespace weft::worker {
namespace {

constexpr std::string_view kNewest = "2025-11-25";
constexpr std::string_view kSpoken[] = {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"};
constexpr int kMethodMissing = -32601;
constexpr size_t kMcpToolsMax = 1000;
constexpr int64_t kInitializeId = 0;

McpClient::Answer mcp_failure(Error error, bool maybe_acted, bool may_pass) {
  McpClient::Answer out;
  out.failure = McpClient::Failure{std::move(error), maybe_acted, may_pass};
  return out;
}

std::string member_text(const json::Object& object, std::string_view name) {
  const json::Value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

}  // namespace

// One server: its transport while there is one, what waits for the handshake, what was asked.
class McpConnection {
 public:
  McpConnection(AsioLoop& loop, std::string name, McpServerSettings settings)
      : loop_(loop), name_(std::move(name)), settings_(std::move(settings)) {}
  ~McpConnection() {
    for (auto& [id, one] : asked_) loop_.cancel(one.timer);
    if (start_timer_ != 0) loop_.cancel(start_timer_);
  }

  bool serves(const std::string& tenant) const { return settings_.serves(tenant); }

  void ask(uint64_t id, std::string method, json::Object params, int64_t timeout_us,
           McpClient::Done done) {
    Asked& one = asked_[id];
    one.done = std::move(done);
    one.message = json::Object{{"jsonrpc", "2.0"},
                               {"id", static_cast<int64_t>(id)},
                               {"method", std::move(method)},
                               {"params", std::move(params)}};
    if (timeout_us > 0) {
      one.timer = loop_.after(timeout_us, [this, id] {
        tell_cancelled(id, "its time is up");
        const bool sent = asked_.at(id).sent;  // else it waits for the handshake
        end(id, mcp_failure(named("E0630", "it has not answered in time"), sent, true));
      });
    }
    if (ready_) return send(id);
    waiting_.push_back(id);
    if (transport_ == nullptr) start();
  }

  bool cancel(uint64_t id) {
    const auto found = asked_.find(id);
    if (found == asked_.end()) return false;
    tell_cancelled(id, "nobody waits for it any more");
    loop_.cancel(found->second.timer);
    asked_.erase(found);
    return true;
  }

 private:
  struct Asked {
    McpClient::Done done;
    json::Object message;
    Loop::TimerId timer = 0;
    bool sent = false;
  };

  Error named(std::string code, std::string_view why) const {
    return make_error(std::move(code), fmt::format("the MCP server {}: {}", quoted(name_), why));
  }

  void start() {
    const uint64_t generation = ++generation_;
    McpTransport::Events events;
    events.message = [this, generation](json::Value message) {
      if (generation == generation_) take(std::move(message));
    };
    events.lost = [this, generation](const json::Value& id, Error error, bool sent) {
      if (generation == generation_) lost(id, std::move(error), sent);
    };
    events.closed = [this, generation](Error error) {
      if (generation == generation_) closed(error);
    };
    if (settings_.command.empty()) {
      transport_ = reach_mcp_server(loop_, settings_, std::move(events));
    } else {
      auto program = start_mcp_program(loop_, settings_, std::move(events));
      if (!program.ok()) {
        // Not from inside of the call that asks.
        loop_.post([this, generation, error = program.error()] {
          if (generation == generation_) fail_all(named(error.code, error.message), false);
        });
        return;
      }
      transport_ = std::move(*program);
    }
    start_timer_ = loop_.after(settings_.start_timeout_ms * 1000, [this] {
      start_timer_ = 0;
      closed(make_error("E0630", "it has not introduced itself in time"));
    });
    const json::Object params{
        {"protocolVersion", kNewest},
        {"capabilities", json::Object()},
        {"clientInfo", json::Object{{"name", "weft"}, {"version", "0.1"}}}};
    transport_->send(json::Object{{"jsonrpc", "2.0"}, {"id", kInitializeId},
                                  {"method", "initialize"}, {"params", params}});
  }

  void take(json::Value message) {
    if (!message.is_object()) return closed(make_error("E0632", "a message that is no object"));
    const json::Object& object = message.get_object();
    const json::Value* id = object.if_contains("id");
    if (object.contains("method")) {
      if (id != nullptr) answer_server(member_text(object, "method"), *id);
      return;  // progress and logs are for nobody here
    }
    if (id == nullptr || !id->is_int64()) return;
    if (id->get_int64() == kInitializeId && !ready_) return begin(object);
    const auto known = asked_.find(static_cast<uint64_t>(id->get_int64()));
    if (known == asked_.end()) return;
    const json::Value* result = object.if_contains("result");
    if (result != nullptr && result->is_object()) {
      McpClient::Answer answer;
      answer.result = result->get_object();
      return end(known->first, std::move(answer));
    }
    const json::Value* error = object.if_contains("error");
    const std::string said = error != nullptr && error->is_object()
                                 ? member_text(error->get_object(), "message")
                                 : "an answer without a result";
    end(known->first, mcp_failure(named("E0631", said), false, false));
  }

  void begin(const json::Object& answer) {
    const json::Value* result = answer.if_contains("result");
    const std::string version = result != nullptr && result->is_object()
                                    ? member_text(result->get_object(), "protocolVersion")
                                    : "";
    if (std::ranges::find(kSpoken, version) == std::end(kSpoken)) {
      return closed(make_error("E0632", fmt::format("it wants to speak the version {}",
                                                    quoted(version))));
    }
    if (start_timer_ != 0) loop_.cancel(std::exchange(start_timer_, 0));
    ready_ = true;
    transport_->set_version(version);
    transport_->send(json::Object{{"jsonrpc", "2.0"},
                                  {"method", "notifications/initialized"}});
    for (const uint64_t id : std::exchange(waiting_, {})) {
      if (asked_.contains(id)) send(id);
    }
  }

  void send(uint64_t id) {
    Asked& one = asked_.at(id);
    one.sent = true;
    transport_->send(std::exchange(one.message, {}));
  }

  void answer_server(const std::string& method, const json::Value& id) {
    if (transport_ == nullptr) return;
    json::Object out{{"jsonrpc", "2.0"}, {"id", id}};
    if (method == "ping") {
      out["result"] = json::Object();
    } else {
      out["error"] = json::Object{{"code", kMethodMissing},
                                  {"message", "this client only calls tools"}};
    }
    transport_->send(out);
  }

  void tell_cancelled(uint64_t id, std::string_view reason) {
    const auto found = asked_.find(id);
    if (found == asked_.end() || !found->second.sent || transport_ == nullptr) return;
    transport_->send(json::Object{
        {"jsonrpc", "2.0"},
        {"method", "notifications/cancelled"},
        {"params", json::Object{{"requestId", static_cast<int64_t>(id)}, {"reason", reason}}}});
  }

  void lost(const json::Value& id, Error error, bool sent) {
    if (!id.is_int64()) return;
    if (id.get_int64() == kInitializeId && !ready_) return closed(error);
    const auto found = asked_.find(static_cast<uint64_t>(id.get_int64()));
    if (found == asked_.end()) return;
    end(found->first, mcp_failure(named(error.code, error.message), sent, error.code != "E0631"));
  }

  // Whatever was under way has no answer; the next call begins anew.
  void closed(const Error& error) {
    const bool began = std::exchange(ready_, false);
    ++generation_;
    if (start_timer_ != 0) loop_.cancel(std::exchange(start_timer_, 0));
    // It may be the transport that tells us.
    loop_.post([old = std::shared_ptr<McpTransport>(std::move(transport_))] {});
    transport_ = nullptr;
    fail_all(named(error.code, error.message), began);
  }

  void fail_all(const Error& error, bool began) {
    waiting_.clear();
    std::vector<uint64_t> ids;
    for (const auto& [id, one] : asked_) ids.push_back(id);
    for (const uint64_t id : ids) {
      const auto found = asked_.find(id);
      if (found == asked_.end()) continue;
      end(id, mcp_failure(error, began && found->second.sent, true));
    }
  }

  void end(uint64_t id, McpClient::Answer answer) {
    const auto found = asked_.find(id);
    if (found == asked_.end()) return;
    loop_.cancel(found->second.timer);
    const McpClient::Done done = std::move(found->second.done);
    asked_.erase(found);
    done(std::move(answer));
  }

  AsioLoop& loop_;
  const std::string name_;
  const McpServerSettings settings_;
  std::unique_ptr<McpTransport> transport_;
  std::map<uint64_t, Asked> asked_;
  std::vector<uint64_t> waiting_;
  uint64_t generation_ = 0;    // of transports: events of an older one are nobody's
  Loop::TimerId start_timer_ = 0;
  bool ready_ = false;
};

McpClient::McpClient(AsioLoop& loop, const std::map<std::string, McpServerSettings>& servers)
    : loop_(loop) {
  for (const auto& [name, settings] : servers) {
    servers_[name] = std::make_unique<McpConnection>(loop, name, settings);
  }
}

McpClient::~McpClient() = default;

// A tenant hears nothing of servers that are not for it, not even that there are such.
McpConnection* McpClient::connection(const std::string& server, const std::string* tenant,
                                     const Done& done) {
  std::vector<std::string> names;
  for (const auto& [name, one] : servers_) {
    if (tenant != nullptr && !one->serves(*tenant)) continue;
    if (name == server) return one.get();
    names.push_back(name);
  }
  loop_.post([done, error = make_error("E0630", fmt::format("there is no MCP server {}",
                                                            quoted(server)),
                                       names.empty() ? "weft run … --mcp NAME=COMMAND or URL"
                                                     : name_hint(server, names))] {
    done(mcp_failure(error, false, false));
  });
  return nullptr;
}

bool McpClient::knows(const Call& call) const {
  const auto found = servers_.find(call.server);
  return found != servers_.end() && found->second->serves(call.tenant);
}

uint64_t McpClient::call(Call call, Done done) {
  const uint64_t id = ++newest_call_;
  McpConnection* server = connection(call.server, &call.tenant, done);
  if (server == nullptr) return id;
  json::Object params{{"name", std::move(call.tool)}, {"arguments", std::move(call.arguments)}};
  if (!call.idempotency_key.empty()) {
    params["_meta"] = json::Object{{"weft/idempotencyKey", std::move(call.idempotency_key)}};
  }
  server->ask(id, "tools/call", std::move(params), call.timeout_us, std::move(done));
  return id;
}

void McpClient::list(const std::string& server, int64_t timeout_us, Done done) {
  list_page(server, timeout_us, {}, "", std::move(done));
}

void McpClient::list_page(const std::string& server, int64_t timeout_us, json::Array so_far,
                          const std::string& cursor, Done done) {
  const uint64_t id = ++newest_call_;
  McpConnection* one = connection(server, nullptr, done);
  if (one == nullptr) return;
  json::Object params;
  if (!cursor.empty()) params["cursor"] = cursor;
  auto tools = std::make_shared<json::Array>(std::move(so_far));
  one->ask(id, "tools/list", std::move(params), timeout_us,
           [this, server, timeout_us, tools, done](Answer page) {
             if (page.failure) return done(std::move(page));
             const json::Value* more = page.result.if_contains("tools");
             for (const json::Value& tool : more && more->is_array() ? more->get_array()
                                                                     : json::Array()) {
               tools->push_back(tool);
             }
             const std::string next = member_text(page.result, "nextCursor");
             if (!next.empty() && tools->size() < kMcpToolsMax) {
               return list_page(server, timeout_us, std::move(*tools), next, done);
             }
             Answer all;
             all.result["tools"] = std::move(*tools);
             done(std::move(all));
           });
}

void McpClient::cancel(uint64_t call) {
  for (const auto& [name, server] : servers_) {
    if (server->cancel(call)) return;
  }
}

json::Object declaration_of_mcp_tool(const std::string& server, const json::Object& tool) {
  const std::string name = member_text(tool, "name");
  std::string word;  // names of tools here are those of OpenAI
  if (!name.empty() && ((name[0] >= '0' && name[0] <= '9') || name[0] == '-')) word = "_";
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c >= '0' && c <= '9') || c == '_' || c == '-';
    word += plain ? c : '_';
  }
  json::Object parameters{{"server", server}, {"tool", name}, {"arguments", "{{ args }}"}};
  const json::Value* hints = tool.if_contains("annotations");
  const json::Value* reads = hints != nullptr && hints->is_object()
                                 ? hints->get_object().if_contains("readOnlyHint")
                                 : nullptr;
  if (reads != nullptr && *reads == true) parameters["reads_only"] = true;
  json::Object out{{"name", word.substr(0, 64)}, {"description", member_text(tool, "description")}};
  const json::Value* schema = tool.if_contains("inputSchema");
  out["parameters"] = schema != nullptr && schema->is_object()
                          ? *schema
                          : json::Value(json::Object{{"type", "object"}});
  out["step"] = json::Object{{"type", "mcp"}, {"parameters", std::move(parameters)}};
  return out;
}

}  // namespace weft::worker
