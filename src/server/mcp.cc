// SPDX-License-Identifier: Apache-2.0
#include "server/mcp.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "server/mcp_call.h"
#include "server/runs.h"
#include "worker/run_report.h"

namespace weft::server {
namespace {

constexpr std::string_view kLevels[] = {"debug",    "info",     "notice", "warning", "error",
                                        "critical", "alert", "emergency"};
constexpr std::string_view kRunUri = "weft://runs/";
constexpr std::string_view kWorkflowUri = "weft://workflows/";
constexpr size_t kWatchedMax = 256;
constexpr size_t kCallsMax = 256;
constexpr size_t kKeptNameBytesMax = 1024;  // of what is kept: ids, addresses

std::string text_member(const json::Object& object, std::string_view name) {
  const json::Value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

const json::Object& object_member(const json::Object& object, std::string_view name) {
  static const json::Object kNone;
  const json::Value* value = object.if_contains(name);
  return value != nullptr && value->is_object() ? value->get_object() : kNone;
}

bool has_text(const json::Object& params, std::string_view name) {
  return params.contains(name) && params.at(name).is_string();
}

Error wrong_params(std::string_view what) {
  return make_error("E0775", std::string(what));
}

json::Object ok_message(const json::Value& id, json::Object result) {
  return {{"jsonrpc", "2.0"}, {"id", id}, {"result", std::move(result)}};
}

json::Object reply_of(const json::Value& id, Result<json::Object> result) {
  if (result.ok()) return ok_message(id, std::move(*result));
  const Error& error = result.error();
  const McpError code = error.code == "method"     ? McpError::kMethod
                        : error.code == "resource" ? McpError::kNoResource
                                                   : McpError::kParameters;
  return mcp_error(id, code, error.message + (error.hint.empty() ? "" : ". " + error.hint));
}

// One page: a server has few of these. A cursor is none that we have given.
Status check_cursor(const json::Object& params) {
  const json::Value* cursor = params.if_contains("cursor");
  if (cursor == nullptr || cursor->is_null()) return ok_status();
  return wrong_params("the cursor is not one of this server's");
}

json::Object text_contents(const std::string& uri, const json::Value& document) {
  return {{"uri", uri},
          {"mimeType", "application/json"},
          {"text", json::dump(document, {.spaces = true, .indent = 2})}};
}

}  // namespace

json::Object mcp_error(const json::Value& id, McpError code, std::string_view message) {
  return {{"jsonrpc", "2.0"},
          {"id", id},
          {"error", json::Object{{"code", static_cast<int>(code)}, {"message", message}}}};
}

McpSession::McpSession(ServerContext& context, std::shared_ptr<const McpDocuments> documents,
                       security::Caller caller)
    : context_(context), documents_(std::move(documents)), caller_(std::move(caller)) {
  CHECK(context_.runs != nullptr && documents_ != nullptr, "a session over nothing");
}

McpSession::~McpSession() { end(); }

void McpSession::end() {
  for (const auto& [id, call] : calls_) call->forget();
  calls_.clear();
  asked_.clear();
  for (const auto& [uri, listener] : watched_) context_.runs->unlisten(listener);
  watched_.clear();
  listener_ = nullptr;
}

void McpSession::handle(json::Value message, Sink sink) {
  const json::Object* object = message.if_object();
  const json::Value none;
  if (object == nullptr || text_member(*object, "jsonrpc") != "2.0") {
    return sink(mcp_error(none, McpError::kRequest, "a message is an object of JSON-RPC 2.0"),
                true);
  }
  const json::Value* id = object->if_contains("id");
  const json::Value* method = object->if_contains("method");
  const json::Value* params = object->if_contains("params");
  const bool named = method != nullptr && method->is_string();
  if (params != nullptr && !params->is_object()) {
    return sink(mcp_error(id ? *id : none, McpError::kRequest, "params is an object"), true);
  }
  const json::Object nothing;
  const json::Object& given = params != nullptr ? params->get_object() : nothing;
  if (id == nullptr && named) return notification(std::string(method->get_string()), given);
  if (id != nullptr && !named) return answer(*object);
  if (id == nullptr || !(id->is_string() || id->is_int64() || id->is_uint64())) {
    return sink(mcp_error(none, McpError::kRequest, "an id is text or an integer"), true);
  }
  if (id->is_string() && id->get_string().size() > kKeptNameBytesMax) {
    return sink(mcp_error(none, McpError::kRequest,
                          fmt::format("an id has at most {} bytes", kKeptNameBytesMax)), true);
  }
  request(std::string(method->get_string()), given, *id, std::move(sink));
}

void McpSession::request(const std::string& method, const json::Object& params,
                         const json::Value& id, Sink sink) {
  if (!initialized() && method != "initialize" && method != "ping") {
    return sink(mcp_error(id, McpError::kRequest, "the session begins with initialize"), true);
  }
  if (method == "tools/call") {
    if (calls_.size() >= kCallsMax || calls_.contains(json::dump(id))) {
      return sink(mcp_error(id, McpError::kRequest, "too many calls, or an id twice"), true);
    }
    auto call = std::make_shared<McpCall>(context_, shared_from_this(), id, std::move(sink));
    calls_[json::dump(id)] = call;
    return call->start(params);
  }
  if (const OfWorkflows known = of_workflows(method, params); known != nullptr) {
    return answer_of_workflows(known, params, id, sink);
  }
  if (method == "resources/read") return read_resource(params, id, sink);
  if (method == "resources/subscribe") return subscribe(params, id, sink);
  const auto answer_now = [&]() -> Result<json::Object> {
    if (method == "initialize") return initialize(params);
    if (method == "ping") return json::Object();
    if (method == "logging/setLevel") return set_level(params);
    if (method == "resources/unsubscribe") return unsubscribe(params);
    if (method == "prompts/get") {
      return documents_->prompt(text_member(params, "name"), object_member(params, "arguments"));
    }
    TRY(check_cursor(params));
    if (method == "prompts/list") return json::Object{{"prompts", documents_->prompts()}};
    if (method == "resources/templates/list") {
      json::Array all{json::Object{{"uriTemplate", "weft://runs/{run}"},
                                   {"name", "run"},
                                   {"description", "A run: its status, steps and output"},
                                   {"mimeType", "application/json"}}};
      for (json::Value& one : documents_->templates()) all.push_back(std::move(one));
      return json::Object{{"resourceTemplates", std::move(all)}};
    }
    return make_error("method", fmt::format("there is no method {}", quoted(method)));
  };
  sink(reply_of(id, answer_now()), true);
}

McpSession::OfWorkflows McpSession::of_workflows(std::string_view method,
                                                 const json::Object& params) {
  if (method == "tools/list") return &McpSession::list_tools;
  if (method == "resources/list") return &McpSession::list_resources;
  if (method == "completion/complete") return &McpSession::complete;
  const bool read = method == "resources/read" &&
                    text_member(params, "uri").starts_with(kWorkflowUri);
  return read ? &McpSession::read_workflow : nullptr;
}

void McpSession::answer_of_workflows(OfWorkflows method, const json::Object& params,
                                     const json::Value& id, const Sink& sink) {
  context_.runs->workflows_of(
      caller_.tenant, [weak = weak_from_this(), method, params, id,
                       sink](Result<Workflows> workflows) {
        const auto self = weak.lock();
        if (!self) return;
        if (!workflows.ok()) {
          return sink(mcp_error(id, McpError::kInternal, workflows.error().message), true);
        }
        sink(reply_of(id, ((*self).*method)(params, *workflows)), true);
      });
}

Result<json::Object> McpSession::initialize(const json::Object& params) {
  const std::string wanted = text_member(params, "protocolVersion");
  if (wanted.empty()) return wrong_params("initialize needs protocolVersion");
  const bool known = std::ranges::find(kMcpVersions, wanted) != std::end(kMcpVersions);
  version_ = known ? wanted : std::string(kMcpVersions[0]);
  elicitation_ = object_member(params, "capabilities").contains("elicitation");
  const json::Object capabilities{
      {"tools", json::Object{{"listChanged", false}}},
      {"resources", json::Object{{"subscribe", true}, {"listChanged", false}}},
      {"prompts", json::Object{{"listChanged", false}}},
      {"logging", json::Object()},
      {"completions", json::Object()}};
  return json::Object{
      {"protocolVersion", version_},
      {"capabilities", capabilities},
      {"serverInfo",
       json::Object{{"name", "weft"}, {"title", "weft"}, {"version", context_.version}}},
      {"instructions",
       "Each tool starts a workflow and answers with its output. A run is durable: if a call is "
       "cut off, the resource weft://runs/RUN says how it stands."}};
}

Result<json::Object> McpSession::list_resources(const json::Object& params,
                                                const Workflows& workflows) const {
  TRY(check_cursor(params));
  json::Array all = documents_->resources();
  for (const auto& [name, workflow] : workflows) {
    if (!security::may(caller_, "definitions:read", name)) continue;
    all.push_back(json::Object{{"uri", std::string(kWorkflowUri) + name},
                               {"name", name},
                               {"description", "The definition of the workflow"},
                               {"mimeType", "application/json"}});
  }
  return json::Object{{"resources", std::move(all)}};
}

Result<json::Object> McpSession::read_workflow(const json::Object& params,
                                               const Workflows& workflows) const {
  const std::string uri = text_member(params, "uri");
  const auto found = workflows.find(uri.substr(kWorkflowUri.size()));
  if (found == workflows.end() || !security::may(caller_, "definitions:read", found->first)) {
    return make_error("resource", fmt::format("there is no resource {}", quoted(uri)));
  }
  const json::Value document = TRY(json::parse(found->second->canonical));
  return json::Object{{"contents", json::Array{text_contents(uri, document)}}};
}

Result<json::Object> McpSession::list_tools(const json::Object& params,
                                            const Workflows& workflows) const {
  TRY(check_cursor(params));
  json::Array tools;
  for (const auto& [name, workflow] : workflows) {
    if (!security::may(caller_, "runs:execute", name)) continue;
    json::Object tool{{"name", name}};
    if (!workflow->title.empty()) tool["title"] = workflow->title;
    tool["description"] = workflow->title.empty() ? "Runs the workflow " + name : workflow->title;
    const bool described = workflow->input_schema.is_object() &&
                           workflow->input_schema.get_object().contains("type");
    tool["inputSchema"] = described ? workflow->input_schema
                                    : json::Value(json::Object{{"type", "object"}});
    tools.push_back(std::move(tool));
  }
  return json::Object{{"tools", std::move(tools)}};
}

Result<json::Object> McpSession::set_level(const json::Object& params) {
  const std::string level = text_member(params, "level");
  const auto found = std::ranges::find(kLevels, level);
  if (found == std::end(kLevels)) {
    return wrong_params(fmt::format("{} is no level of logging", quoted(level)));
  }
  level_ = static_cast<int>(found - std::begin(kLevels));
  return json::Object();
}

bool McpSession::wants_log(std::string_view level) const {
  return std::ranges::find(kLevels, level) - std::begin(kLevels) >= level_;
}

// Values of a workflow's enumerations would be the place to look; prompts have free text.
Result<json::Object> McpSession::complete(const json::Object& params,
                                          const Workflows& workflows) const {
  const json::Object& argument = object_member(params, "argument");
  if (!has_text(argument, "name") || !has_text(argument, "value")) {
    return wrong_params("completion/complete needs argument: {name, value}");
  }
  json::Array values;
  const std::string uri = text_member(object_member(params, "ref"), "uri");
  if (uri.starts_with(kWorkflowUri)) {
    for (const auto& [name, workflow] : workflows) {
      if (!security::may(caller_, "definitions:read", name)) continue;
      if (name.starts_with(text_member(argument, "value"))) values.push_back(json::Value(name));
    }
  }
  const auto total = static_cast<int64_t>(values.size());
  return json::Object{{"completion", json::Object{{"values", std::move(values)},
                                                  {"total", total},
                                                  {"hasMore", false}}}};
}

Result<json::Object> McpSession::unsubscribe(const json::Object& params) {
  const std::string uri = text_member(params, "uri");
  if (uri.empty()) return wrong_params("the uri of a resource is missing");
  const auto found = watched_.find(uri);
  if (found == watched_.end()) return json::Object();
  context_.runs->unlisten(found->second);
  watched_.erase(found);
  return json::Object();
}

void McpSession::subscribe(const json::Object& params, const json::Value& id, const Sink& sink) {
  const std::string uri = text_member(params, "uri");
  const auto refuse = [&](McpError code, std::string_view why) {
    sink(mcp_error(id, code, why), true);
  };
  if (uri.empty()) return refuse(McpError::kParameters, "the uri of a resource is missing");
  if (uri.size() > kKeptNameBytesMax) {
    return refuse(McpError::kNoResource, "there is no resource with so long an address");
  }
  if (watched_.size() >= kWatchedMax) {
    return refuse(McpError::kParameters, "too many subscriptions");
  }
  if (!uri.starts_with(kRunUri)) {  // only runs change
    watched_.try_emplace(uri, 0);
    return sink(ok_message(id, {}), true);
  }
  const std::string run = uri.substr(kRunUri.size());
  context_.runs->read<worker::RunOwner>(
      [caller = caller_, run](store::Db& db) { return visible_run(db, caller, run, "runs:read"); },
      [weak = weak_from_this(), id, sink, uri, run](Result<worker::RunOwner> owner) {
        const auto self = weak.lock();
        if (!self) return;
        if (!owner.ok()) {
          return sink(mcp_error(id, McpError::kNoResource,
                                fmt::format("there is no resource {}", quoted(uri))), true);
        }
        self->watch(uri, run);
        sink(ok_message(id, {}), true);
      });
}

void McpSession::watch(const std::string& uri, const std::string& run) {
  const auto [entry, fresh] = watched_.try_emplace(uri, 0);
  if (!fresh) return;
  entry->second = context_.runs->listen(
      run, [weak = weak_from_this(), uri](const worker::Notice& notice) {
        const auto self = weak.lock();
        if (!self || notice.kind == worker::Notice::Kind::kProgress) return;
        if (!self->listener_) return;
        self->listener_(json::Object{{"jsonrpc", "2.0"},
                                     {"method", "notifications/resources/updated"},
                                     {"params", json::Object{{"uri", uri}}}},
                        false);
      });
}

void McpSession::read_resource(const json::Object& params, const json::Value& id,
                               const Sink& sink) {
  const std::string uri = text_member(params, "uri");
  const auto missing = [id, uri, sink] {
    sink(mcp_error(id, McpError::kNoResource, fmt::format("there is no resource {}", quoted(uri))),
         true);
  };
  const auto show = [id, sink](json::Object contents) {
    sink(ok_message(id, json::Object{{"contents", json::Array{std::move(contents)}}}), true);
  };
  if (uri.starts_with(kRunUri)) {
    return context_.runs->read<json::Object>(
        [run = uri.substr(kRunUri.size()),
         caller = caller_](store::Db& db) -> Result<json::Object> {
          TRY(visible_run(db, caller, run, "runs:read"));
          return worker::read_run_document(db, run);
        },
        [uri, missing, show](Result<json::Object> document) {
          if (!document.ok()) return missing();
          show(text_contents(uri, json::Value(std::move(*document))));
        });
  }
  if (!documents_->has(uri)) return missing();
  using Read = std::optional<json::Object>;
  context_.runs->read<Read>(
      [documents = documents_, uri](store::Db&) { return documents->read(uri); },
      [id, sink, missing, show](Result<Read> contents) {
        if (!contents.ok()) {
          return sink(mcp_error(id, McpError::kInternal, contents.error().message), true);
        }
        if (!contents->has_value()) return missing();
        show(std::move(**contents));
      });
}

void McpSession::notification(const std::string& method, const json::Object& params) {
  if (method != "notifications/cancelled") return;  // initialized needs nothing
  const json::Value* id = params.if_contains("requestId");
  if (id == nullptr) return;
  const auto found = calls_.find(json::dump(*id));
  if (found == calls_.end()) return;
  const auto call = found->second;
  call->cancel(text_member(params, "reason"));
}

std::string McpSession::ask(std::string_view method, json::Object params, const Sink& sink,
                            std::function<void(Result<json::Object>)> then) {
  const std::string id = fmt::format("weft-{}", ++newest_question_);
  std::string key = json::dump(json::Value(id));
  asked_[key] = std::move(then);
  sink(json::Object{{"jsonrpc", "2.0"}, {"id", id}, {"method", method},
                    {"params", std::move(params)}},
       false);
  return key;
}

void McpSession::answer(const json::Object& message) {
  const auto found = asked_.find(json::dump(message.at("id")));
  if (found == asked_.end()) return;
  const auto then = std::move(found->second);
  asked_.erase(found);
  if (message.contains("result") && message.at("result").is_object()) {
    return then(message.at("result").get_object());
  }
  then(make_error("E0775", text_member(object_member(message, "error"), "message")));
}

}  // namespace weft::server
