// SPDX-License-Identifier: Apache-2.0
#include "server/acts_api.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "server/access.h"
#include "server/fields.h"
#include "server/openai_error.h"
#include "server/problem.h"
#include "server/runs.h"
#include "worker/run_acts.h"
#include "worker/run_erasure.h"

namespace weft::server {
namespace {

// A living owner looks at its inbox ten times a second.
constexpr int64_t kOutcomePollUs = 20'000;
constexpr int kOutcomePolls = 500;
constexpr int64_t kListMax = 500;
constexpr size_t kKeyBytesMax = 255;
constexpr size_t kNameBytesMax = 200;

// An act on its way: posted, then asked after until its owner has taken it.
struct Act {
  ServerContext& context;
  ExchangePtr exchange;
  std::string name;
  std::string run;
  security::Caller caller;
  std::string by = {};       // as the caller says; for the record
  std::string message = {};  // once posted
  int polls = 0;
};
using ActPtr = std::shared_ptr<Act>;
using Post = std::function<Result<worker::Posted>(const worker::PostContext&)>;

void answer_act(const ActPtr& act, std::string_view outcome) {
  const json::Object said{{"task_id", act->run}, {"act", act->name}, {"outcome", outcome}};
  if (outcome == "too late" || outcome == "refused") {
    return act->exchange->respond(problem(make_error(
        "E0614", fmt::format("{} of run {}: {}", act->name, act->run, outcome),
        fmt::format("GET /workflows/{} shows how it stands", act->run))));
  }
  act->exchange->respond(json_response(said, outcome == "applied" ? 200 : 202));
}

void ask_outcome(const ActPtr& act) {
  act->context.runs->read<std::string>(
      [id = act->message](store::Db& db) { return worker::outcome_of(db, id); },
      [act](Result<std::string> outcome) {
        if (!outcome.ok()) return act->exchange->respond(problem(outcome.error()));
        if (!outcome->empty()) return answer_act(act, *outcome);
        if (++act->polls == kOutcomePolls) return answer_act(act, "stored");
        act->context.loop.after(kOutcomePollUs, [act] { ask_outcome(act); });
      });
}

// With a key it is the key that acts, whatever name the caller gives besides. The five roles count
// for permissions; approvals ask for any names.
worker::Actor actor_of(const Act& act) {
  const security::Caller& caller = act.caller;
  worker::Actor actor{act.by.empty() ? caller.name : act.by, caller.roles, caller.everything,
                      caller.name};
  if (!caller.everything && !act.by.empty()) actor.name = act.by + " (" + caller.name + ")";
  const auto& roles = caller.roles;
  actor.every_role |= std::find(roles.begin(), roles.end(), "admin") != roles.end();
  return actor;
}

Status post_act(const ActPtr& act, Post post) {
  std::string id;
  if (const std::string* key = act->exchange->request().header("Idempotency-Key")) {
    if (key->empty() || key->size() > kKeyBytesMax) {
      return wrong_field("Idempotency-Key", fmt::format("1 to {} characters", kKeyBytesMax),
                         std::to_string(key->size()));
    }
    // of a signal its name, of a decision its step
    const net::HttpRequest& request = act->exchange->request();
    const std::string* of =
        net::find_parameter(request.parameters, act->name == "signal" ? "name" : "step");
    id = of == nullptr
             ? fmt::format("{} {} {}", act->run, act->name, *key)
             : fmt::format("{} {} {}:{} {}", act->run, act->name, of->size(), *of, *key);
  }
  act->context.runs->read<worker::Posted>(
      [act, id, post = std::move(post)](store::Db& db) -> Result<worker::Posted> {
        const std::string_view action =
            act->name == "approval" ? "approvals:decide" : "runs:act";
        TRY(visible_run(db, act->caller, act->run, action));
        return post({db, act->context.env, actor_of(*act), id});
      },
      [act](Result<worker::Posted> posted) {
        if (!posted.ok()) return act->exchange->respond(problem(posted.error()));
        act->message = posted->message;
        ask_outcome(act);
      });
  return ok_status();
}

// Who acts, as the caller says. It is the caller's key that is trusted; this is for the record.
Status read_by(Fields& fields, Act& act) {
  const auto by = TRY(fields.text("by"));
  if (by && (by->empty() || by->size() > kNameBytesMax)) {
    return wrong_field("by", fmt::format("a name of at most {} bytes", kNameBytesMax),
                       quoted(*by));
  }
  if (by) act.by = *by;
  return ok_status();
}

Result<Post> cancel_of(const ActPtr& act, const json::Object& body) {
  Fields fields(body);
  TRY(read_by(fields, *act));
  const std::string reason = TRY(fields.text("reason")).value_or("asked for over HTTP");
  TRY(fields.finish());
  return Post([act, reason](const worker::PostContext& post) {
    return worker::cancel_run(post, act->run, reason);
  });
}

// The body is the payload: whoever sends a signal need not know that weft receives it.
Post signal_of(const ActPtr& act, json::Value payload) {
  return Post([act, payload = std::move(payload),
               name = act->exchange->request().parameter("name")](
                  const worker::PostContext& post) {
    return worker::signal_run(post, act->run, name, payload);
  });
}

Result<Post> approval_of(const ActPtr& act, const json::Object& body) {
  Fields fields(body);
  TRY(read_by(fields, *act));
  worker::ApprovalAct decided{.step = act->exchange->request().parameter("step")};
  const std::string decision = TRY(fields.required_text("decision"));
  if (decision != "approved" && decision != "rejected") {
    return wrong_field("decision", "approved or rejected", quoted(decision));
  }
  decided.approved = decision == "approved";
  decided.comment = TRY(fields.text("comment")).value_or("");
  TRY(fields.finish());
  return Post([act, decided](const worker::PostContext& post) {
    return worker::decide_approval(post, act->run, decided);
  });
}

Result<Post> resolution_of(const ActPtr& act, const json::Object& body) {
  using Resolution = workflow::UnknownResolved::Resolution;
  Fields fields(body);
  TRY(read_by(fields, *act));
  worker::ResolveAct resolve{.step = act->exchange->request().parameter("step")};
  const std::string decision = TRY(fields.required_text("decision"));
  if (decision == "retry") {
    resolve.resolution = Resolution::kRetry;
  } else if (decision == "succeed") {
    resolve.resolution = Resolution::kSucceed;
  } else if (decision != "fail") {
    return wrong_field("decision", "retry, succeed or fail", quoted(decision));
  }
  if (const json::Value* output = fields.any("output")) resolve.output = *output;
  TRY(fields.finish());
  return Post([act, resolve](const worker::PostContext& post) {
    return worker::resolve_step(post, act->run, resolve);
  });
}

// A body may be left out.
void with_optional_body(ServerContext& context, const ExchangePtr& exchange,
                        std::function<void(Result<json::Object>)> then) {
  if (trim(exchange->request().body).empty()) return then(json::Object());
  with_body(context, exchange, std::move(then));
}

using PostOf = Result<Post> (*)(const ActPtr&, const json::Object&);

ActPtr new_act(ServerContext& context, const ExchangePtr& exchange, std::string name) {
  return std::make_shared<Act>(Act{context, exchange, std::move(name),
                                   exchange->request().parameter("task_id"),
                                   caller_of(exchange->request())});
}

void act_on_run(ServerContext& context, const ExchangePtr& exchange, std::string name,
                PostOf post_of) {
  const ActPtr act = new_act(context, exchange, std::move(name));
  with_optional_body(context, exchange, [act, post_of](Result<json::Object> body) {
    const auto begin = [&]() -> Status {
      return post_act(act, TRY(post_of(act, TRY(std::move(body)))));
    };
    if (const Status begun = begin(); !begun.ok()) act->exchange->respond(problem(begun.error()));
  });
}

// A run made from another one.
void start_again(ServerContext& context, const ExchangePtr& exchange, const std::string& from,
                 std::function<Result<worker::NewRun>(store::Db&)> make) {
  if (context.access != nullptr) {
    const Refusal over = context.access->over_tokens(caller_of(exchange->request()));
    if (over.status != 0) {
      net::HttpResponse later = problem(over.status, over.why);
      later.headers.push_back({"Retry-After", std::to_string(over.retry_after_s)});
      return exchange->respond(std::move(later));
    }
  }
  context.runs->read<worker::NewRun>(
      [make = std::move(make), from, caller = caller_of(exchange->request())](store::Db& db)
          -> Result<worker::NewRun> {
        TRY(visible_run(db, caller, from, "runs:act"));
        worker::NewRun request = TRY(make(db));
        if (!caller.everything) request.context["by"] = caller.name;
        request.context["key"] = caller.key;
        return request;
      },
      [&context, exchange, from](Result<worker::NewRun> request) {
        if (!request.ok()) return exchange->respond(problem(request.error()));
        const auto kept = static_cast<int64_t>(request->kept.size());
        context.runs->start(
            std::move(*request), [exchange, from, kept](Result<std::string> run) {
              if (!run.ok()) return exchange->respond(problem(run.error()));
              net::HttpResponse out = json_response(
                  json::Object{
                      {"task_id", *run}, {"status", "queued"}, {"origin", from}, {"kept", kept}},
                  202);
              out.headers.push_back({"Location", "/workflows/" + *run});
              exchange->respond(std::move(out));
            });
      });
}

Status start_retry(ServerContext& context, const ExchangePtr& exchange,
                   Result<json::Object> given) {
  const json::Object body = TRY(std::move(given));
  Fields fields(body);
  const std::string from = TRY(fields.text("from")).value_or("");
  TRY(fields.finish());
  const std::string run = exchange->request().parameter("task_id");
  start_again(context, exchange, run,
              [run, from](store::Db& db) { return worker::retry_request(db, run, from); });
  return ok_status();
}

Status start_fork(ServerContext& context, const ExchangePtr& exchange,
                  Result<json::Object> given) {
  const json::Object body = TRY(std::move(given));
  Fields fields(body);
  const std::string from = TRY(fields.required_text("from"));
  const json::Object* set = TRY(fields.object("set"));
  TRY(fields.finish());
  const std::string run = exchange->request().parameter("task_id");
  start_again(context, exchange, run,
              [run, from, edits = set ? *set : json::Object()](store::Db& db) {
                return worker::fork_request(db, run, from, edits);
              });
  return ok_status();
}

json::Object action_form(const worker::RequiredAction& action) {
  json::Object out{{"task_id", action.run},
                   {"workflow_id", action.workflow},
                   {"step", action.path},
                   {"kind", action.kind},
                   {"since", iso8601(action.since_us)}};
  if (action.deadline_us != 0) out["deadline"] = iso8601(action.deadline_us);
  for (const auto& member : action.body) out[member.key()] = member.value();
  return out;
}

Result<worker::ActionQuery> action_query(const net::HttpRequest& request) {
  worker::ActionQuery out;
  const auto text = [&](std::string_view name) {
    const std::string* value = net::find_parameter(request.query, name);
    return value == nullptr ? std::string() : *value;
  };
  out.run = text("task_id");
  out.role = text("role");
  const std::string limit = text("limit");
  if (!limit.empty()) out.limit = TRY(whole_number("limit", limit, 1, kListMax));
  return out;
}

}  // namespace

void cancel_run(ServerContext& context, const ExchangePtr& exchange) {
  act_on_run(context, exchange, "cancel", cancel_of);
}
void signal_run(ServerContext& context, const ExchangePtr& exchange) {
  const ActPtr act = new_act(context, exchange, "signal");
  const auto send = [act](Result<json::Value> payload) {
    const auto begin = [&]() -> Status {
      return post_act(act, signal_of(act, TRY(std::move(payload))));
    };
    if (const Status begun = begin(); !begun.ok()) act->exchange->respond(problem(begun.error()));
  };
  if (trim(exchange->request().body).empty()) return send(json::Value());
  with_any_body(context, exchange, send);
}
void decide_approval(ServerContext& context, const ExchangePtr& exchange) {
  act_on_run(context, exchange, "approval", approval_of);
}
void resolve_step(ServerContext& context, const ExchangePtr& exchange) {
  act_on_run(context, exchange, "resolution", resolution_of);
}

void retry_run(ServerContext& context, const ExchangePtr& exchange) {
  with_optional_body(context, exchange, [&context, exchange](Result<json::Object> body) {
    const Status started = start_retry(context, exchange, std::move(body));
    if (!started.ok()) exchange->respond(problem(started.error()));
  });
}
void fork_run(ServerContext& context, const ExchangePtr& exchange) {
  with_optional_body(context, exchange, [&context, exchange](Result<json::Object> body) {
    const Status started = start_fork(context, exchange, std::move(body));
    if (!started.ok()) exchange->respond(problem(started.error()));
  });
}

// Its answer says no more of the run than that it is gone.
void delete_run(ServerContext& context, const ExchangePtr& exchange) {
  const std::string run = exchange->request().parameter("task_id");
  const worker::ErasureProof proof{context.checkpoints_file, context.audit_seed};
  context.runs->read<worker::Erased>(
      [run, proof, caller = caller_of(exchange->request())](store::Db& db)
          -> Result<worker::Erased> {
        TRY(visible_run(db, caller, run, "runs:delete"));
        return worker::erase_run(db, proof, run, caller.name);
      },
      [exchange, run](Result<worker::Erased> erased) {
        if (!erased.ok()) return exchange->respond(problem(erased.error()));
        json::Object out = worker::to_json(*erased);
        out["task_id"] = run;
        exchange->respond(json_response(out));
      });
}

void list_actions(ServerContext& context, const ExchangePtr& exchange) {
  auto query = action_query(exchange->request());
  if (!query.ok()) return exchange->respond(problem(query.error()));
  query->tenant = caller_of(exchange->request()).tenant;
  context.runs->read<std::vector<worker::RequiredAction>>(
      [query = *query](store::Db& db) { return worker::required_actions(db, query); },
      [exchange](Result<std::vector<worker::RequiredAction>> actions) {
        if (!actions.ok()) return exchange->respond(problem(actions.error()));
        json::Array items;
        const security::Caller& caller = caller_of(exchange->request());
        for (const worker::RequiredAction& action : *actions) {
          if (!security::may(caller, "approvals:read", action.workflow)) continue;
          items.push_back(action_form(action));
        }
        exchange->respond(json_response(json::Object{{"items", std::move(items)}}));
      });
}

}  // namespace weft::server
