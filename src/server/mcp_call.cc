// SPDX-License-Identifier: Apache-2.0
#include "server/mcp_call.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "server/access.h"
#include "server/audit_api.h"
#include "server/runs.h"
#include "worker/run_report.h"

namespace weft::server {
namespace {

constexpr size_t kCallKeyBytesMax = 255;
constexpr size_t kTokenBytesMax = 1024;
constexpr std::string_view kBlockTypes[] = {"text", "image", "audio", "resource",
                                            "resource_link"};

bool is_block(const json::Value& value) {
  if (!value.is_object()) return false;
  const json::Value* type = value.get_object().if_contains("type");
  return type != nullptr && type->is_string() &&
         std::ranges::find(kBlockTypes, std::string_view(type->get_string())) !=
             std::end(kBlockTypes);
}

bool are_blocks(const json::Value& output) {
  if (!output.is_object() || output.get_object().size() != 1) return false;
  const json::Value* content = output.get_object().if_contains("content");
  return content != nullptr && content->is_array() && !content->get_array().empty() &&
         std::ranges::all_of(content->get_array(), is_block);
}

// Keys are stored behind their tenant's name and a line feed.
bool good_key(std::string_view key) {
  return key.size() <= kCallKeyBytesMax && std::ranges::none_of(key, [](char c) {
           return static_cast<unsigned char>(c) < ' ';
         });
}

// It is kept until the call ends.
bool good_token(const json::Value& token) {
  if (token.is_string()) return token.get_string().size() <= kTokenBytesMax;
  return token.is_number() || token.is_null();
}

json::Array text_block(std::string_view text) {
  return {json::Object{{"type", "text"}, {"text", text}}};
}

json::Object error_result(std::string_view text) {
  return {{"content", text_block(text)}, {"isError", true}};
}

std::string text_at(const json::Object& object, std::string_view name) {
  const json::Value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

// What a person is asked: a form of the protocol, from what the step asks for.
json::Object question_form(const worker::RequiredAction& action) {
  if (action.kind == "signal") {
    const json::Value* schema = action.body.if_contains("schema");
    const bool object = schema != nullptr && schema->is_object() &&
                        text_at(schema->get_object(), "type") == "object";
    if (object) return schema->get_object();
    return {{"type", "object"}, {"properties", json::Object()}};
  }
  json::Object properties{
      {"decision", json::Object{{"type", "string"}, {"title", "Decision"},
                                {"enum", json::Array{"approved", "rejected"}}}},
      {"comment", json::Object{{"type", "string"}, {"title", "Comment"}}}};
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", json::Array{"decision"}}};
}

std::string question_of(const worker::RequiredAction& action) {
  std::string out = text_at(action.body, "title");
  if (out.empty()) {
    out = action.kind == "signal" ? fmt::format("{} waits for {}", action.workflow,
                                                quoted(text_at(action.body, "name")))
                                  : fmt::format("{} asks for an approval", action.workflow);
  }
  const json::Value* show = action.body.if_contains("show");
  if (show != nullptr && !show->is_null()) {
    out += "\n\n" + (show->is_string() ? std::string(show->get_string())
                                       : json::dump(*show, {.spaces = true, .indent = 2}));
  }
  return out;
}

}  // namespace

json::Object mcp_result(const json::Value& output) {
  if (are_blocks(output)) return {{"content", output.get_object().at("content")}};
  if (output.is_string()) return {{"content", text_block(output.get_string())}};
  json::Object out{{"content", text_block(json::dump(output, {.spaces = true}))}};
  if (output.is_object()) out["structuredContent"] = output;
  return out;
}

McpCall::McpCall(ServerContext& context, std::shared_ptr<McpSession> session, json::Value id,
                 McpSession::Sink sink)
    : context_(context), session_(std::move(session)), id_(std::move(id)),
      sink_(std::move(sink)) {}

void McpCall::start(const json::Object& params) {
  const json::Value* name = params.if_contains("name");
  const json::Value* arguments = params.if_contains("arguments");
  if (name == nullptr || !name->is_string()) {
    return refuse(McpError::kParameters, "tools/call needs the name of a tool");
  }
  if (arguments != nullptr && !arguments->is_object()) {
    return refuse(McpError::kParameters, "the arguments of a tool are an object");
  }
  tool_ = name->get_string();
  const security::Caller& caller = session_->caller();
  if (const Status allowed = security::require(caller, "runs:execute", tool_); !allowed.ok()) {
    record_act(context_, caller, "runs:execute", tool_, "refused");
    return refuse(McpError::kParameters, allowed.error().message);
  }
  if (context_.access) {
    const Refusal over = context_.access->over_tokens(caller);
    if (over.status != 0) return refuse(McpError::kInternal, over.why);
  }
  Submission submission;
  submission.workflow = tool_;
  submission.tenant = caller.tenant;
  if (!caller.everything) submission.by = caller.name;
  submission.key = caller.key;
  submission.input = arguments != nullptr ? *arguments : json::Value(json::Object());
  const json::Value* meta = params.if_contains("_meta");
  if (meta != nullptr && meta->is_object()) {
    const json::Value* token = meta->get_object().if_contains("progressToken");
    if (token != nullptr && !good_token(*token)) {
      return refuse(McpError::kParameters,
                    fmt::format("a progressToken is a number or a text of at most {} bytes",
                                kTokenBytesMax));
    }
    if (token != nullptr) progress_token_ = *token;
    submission.idem_key = text_at(meta->get_object(), "weft/idempotencyKey");
  }
  if (!good_key(submission.idem_key)) {
    return refuse(McpError::kParameters, fmt::format("weft/idempotencyKey has at most {} "
                                                     "characters, none of them of control",
                                                     kCallKeyBytesMax));
  }
  context_.runs->submit(std::move(submission),
                        [self = shared_from_this()](Result<Accepted> accepted) {
    if (!self->session_) return;
    record_act(self->context_, self->session_->caller(), "runs:execute", self->tool_,
               accepted.ok() ? "ok" : "failed");
    if (!accepted.ok() && accepted.error().code == "E0753") {
      return self->refuse(McpError::kParameters,
                          fmt::format("there is no tool {}", quoted(self->tool_)));
    }
    // What is wrong with the arguments a model can mend: it is a result.
    if (!accepted.ok()) return self->finish(error_result(accepted.error().text()));
    self->steps_ = std::max<int64_t>(1, accepted->steps);
    self->submitted(accepted->run);
  });
}

void McpCall::submitted(const std::string& run) {
  run_ = run;
  listener_ = context_.runs->listen(run_, [self = shared_from_this()](const auto& notice) {
    self->on_notice(notice);
  });
  if (cancelled_) {
    cancel_run("cancelled by the MCP client");
    return read_end();
  }
  log("info", json::Object{{"run", run_}, {"workflow", tool_}, {"status", "queued"}});
  tell_progress();
  read_end();  // a key that was used before: it may have ended long ago
  look_for_questions();
}

void McpCall::on_notice(const worker::Notice& notice) {
  if (!session_) return;
  switch (notice.kind) {
    case worker::Notice::Kind::kStep: return on_step(notice);
    case worker::Notice::Kind::kRun:
      if (notice.terminal) return read_end();
      if (notice.status == "waiting") look_for_questions();
      return;
    case worker::Notice::Kind::kProgress:
    case worker::Notice::Kind::kClaimed:
    case worker::Notice::Kind::kLost:
      return;
  }
}

void McpCall::on_step(const worker::Notice& notice) {
  json::Object data{{"run", run_}, {"step", notice.path}, {"status", notice.status}};
  if (!notice.why.empty()) data["why"] = notice.why;
  const bool bad = notice.status == "failed" || notice.status == "timed_out";
  log(bad ? "error" : "info", std::move(data));
  if (notice.status == "waiting" || notice.status == "unknown") look_for_questions();
  if (!notice.terminal && notice.status != "succeeded" && notice.status != "skipped" && !bad) {
    return;
  }
  if (ended_.insert(notice.path).second) tell_progress();
}

void McpCall::tell_progress() {
  if (progress_token_.is_null() || !session_) return;
  const auto done = std::min<int64_t>(std::ssize(ended_), steps_);
  sink_(json::Object{{"jsonrpc", "2.0"},
                     {"method", "notifications/progress"},
                     {"params", json::Object{{"progressToken", progress_token_},
                                             {"progress", done},
                                             {"total", steps_}}}},
        false);
}

void McpCall::log(std::string_view level, json::Value data) {
  if (!session_ || !session_->wants_log(level)) return;
  sink_(json::Object{{"jsonrpc", "2.0"},
                     {"method", "notifications/message"},
                     {"params", json::Object{{"level", level},
                                             {"logger", tool_},
                                             {"data", std::move(data)}}}},
        false);
}

void McpCall::look_for_questions() {
  if (!session_ || run_.empty()) return;
  context_.runs->read<std::vector<worker::RequiredAction>>(
      [run = run_](store::Db& db) { return worker::required_actions(db, {.run = run}); },
      [self = shared_from_this()](Result<std::vector<worker::RequiredAction>> actions) {
        if (!self->session_ || !actions.ok()) return;
        for (const worker::RequiredAction& action : *actions) {
          if (!self->session_) return;
          if (self->asked_.insert(action.path).second) self->ask(action);
        }
      });
}

void McpCall::ask(const worker::RequiredAction& action) {
  const security::Caller& caller = session_->caller();
  const bool may_decide = security::may(
      caller, action.kind == "approval" ? "approvals:decide" : "runs:act", action.workflow);
  if (!session_->can_ask_people() || !may_decide || action.kind == "resolve") {
    // Waiting in silence would end in the client's timeout; the run can wait for days.
    const std::string how = action.kind == "signal"
                                ? fmt::format("weft runs signal {} {}", run_,
                                              text_at(action.body, "name"))
                            : action.kind == "resolve"
                                ? fmt::format("weft runs resolve {} {} retry|fail|succeed", run_,
                                              action.path)
                                : fmt::format("weft runs approve {} {}", run_, action.path);
    json::Object state{{"run", run_}, {"status", "waiting"}, {"step", action.path},
                       {"waits_for", action.kind}};
    json::Object result{{"content", text_block(fmt::format(
                             "The run {} waits for a person: {}\n({}; its end: weft://runs/{})",
                             run_, question_of(action), how, run_))},
                        {"structuredContent", std::move(state)}};
    return finish(std::move(result));
  }
  json::Object params{{"message", question_of(action)},
                      {"requestedSchema", question_form(action)}};
  questions_.push_back(session_->ask(
      "elicitation/create", std::move(params), sink_,
      [self = shared_from_this(), action](Result<json::Object> answer) {
        if (self->session_) self->answered(action, answer);
      }));
}

void McpCall::answered(const worker::RequiredAction& action, const Result<json::Object>& answer) {
  const std::string said = answer.ok() ? text_at(*answer, "action") : "cancel";
  const json::Value* content = answer.ok() ? answer->if_contains("content") : nullptr;
  const bool accepted = said == "accept" && content != nullptr && content->is_object();
  if (action.kind == "signal") {
    if (!accepted) return cancel_run("the person at the MCP client gave no answer");
    return act("runs:act", [run = run_, name = text_at(action.body, "name"),
                payload = *content](const worker::PostContext& post) {
      return worker::signal_run(post, run, name, payload);
    });
  }
  if (said == "cancel") {  // no decision: it still waits, for whoever decides
    return finish({{"content", text_block(fmt::format(
                        "Nobody decided: the run {} still waits (weft runs approve {} {})", run_,
                        run_, action.path))},
                   {"structuredContent", json::Object{{"run", run_}, {"status", "waiting"}}}});
  }
  worker::ApprovalAct decided{.step = action.path};
  decided.approved = accepted && text_at(content->get_object(), "decision") == "approved";
  if (accepted) decided.comment = text_at(content->get_object(), "comment");
  act("approvals:decide", [run = run_, decided](const worker::PostContext& post) {
    return worker::decide_approval(post, run, decided);
  });
}

void McpCall::act(std::string_view action,
                  std::function<Result<worker::Posted>(const worker::PostContext&)> post) {
  context_.runs->read<worker::Posted>(
      [this, self = shared_from_this(), post = std::move(post),
       caller = session_->caller()](store::Db& db) {
        worker::Actor actor{caller.name + " (mcp)", caller.roles, caller.everything, caller.name};
        actor.every_role |= std::ranges::find(caller.roles, "admin") != caller.roles.end();
        return post({db, context_.env, actor, ""});
      },
      [self = shared_from_this(), action](Result<worker::Posted> posted) {
        if (!self->session_) return;
        record_act(self->context_, self->session_->caller(), action, self->run_,
                   posted.ok() ? "ok" : "failed");
        if (posted.ok()) return;
        self->finish(error_result(posted.error().text()));
      });
}

void McpCall::cancel_run(std::string reason) {
  act("runs:act", [run = run_, reason = std::move(reason)](const worker::PostContext& post) {
    return worker::cancel_run(post, run, reason);
  });
}

void McpCall::cancel(std::string reason) {
  cancelled_ = true;
  if (run_.empty()) return;  // as soon as it is stored
  cancel_run(reason.empty() ? "cancelled by the MCP client" : std::move(reason));
}

void McpCall::read_end() {
  if (!session_) return;
  if (std::exchange(reading_, true)) {
    again_ = true;  // what is being read may be older than what this was called for
    return;
  }
  context_.runs->read<json::Object>(
      [run = run_, caller = session_->caller()](store::Db& db) -> Result<json::Object> {
        TRY(visible_run(db, caller, run, "runs:execute"));
        return worker::read_run_document(db, run);
      },
      [self = shared_from_this()](Result<json::Object> document) {
        self->reading_ = false;
        if (!self->session_) return;
        if (!document.ok()) return self->finish(error_result(document.error().text()));
        const std::string status = text_at(*document, "status");
        if (status == "queued" || status == "running" || status == "waiting") {
          if (std::exchange(self->again_, false)) self->read_end();
          return;
        }
        const json::Value* output = document->if_contains("output");
        if (status == "succeeded") {
          return self->finish(mcp_result(output != nullptr ? *output : json::Value()));
        }
        const json::Value* error = document->if_contains("error");
        std::string why = status;
        if (error != nullptr && error->is_object()) {
          const json::Object& failure = error->get_object();
          why = fmt::format("{} (step {}, run {})", text_at(failure, "message"),
                            text_at(failure, "step"), self->run_);
        }
        self->finish(error_result(why));
      });
}

void McpCall::finish(json::Object result) {
  json::Object meta{{"weft/run", run_}};
  if (!run_.empty()) result["_meta"] = std::move(meta);
  answer(json::Object{{"jsonrpc", "2.0"}, {"id", id_}, {"result", std::move(result)}});
}

void McpCall::refuse(McpError code, std::string_view message) {
  answer(mcp_error(id_, code, message));
}

void McpCall::answer(json::Object message) {
  if (!session_) return;
  const auto session = session_;
  const McpSession::Sink sink = sink_;
  forget();
  session->calls_.erase(json::dump(id_));
  // Who has cancelled a request hears no more of it; its stream ends all the same.
  sink(cancelled_ ? json::Object() : std::move(message), true);
}

void McpCall::forget() {
  if (!session_) return;
  for (const std::string& question : questions_) session_->asked_.erase(question);
  session_.reset();
  if (listener_ != 0) context_.runs->unlisten(std::exchange(listener_, 0));
}

}  // namespace weft::server
