// SPDX-License-Identifier: Apache-2.0
#include "server/pages_api.h"

#include "backend/direct.h"
#include "server/access.h"
#include "server/fields.h"
#include "server/openai_error.h"
#include "server/problem.h"
#include "server/runs.h"
#include "worker/run_view.h"
#include "worker/step_type.h"
#include "worker/tools.h"
#include "workflow/loader.h"

namespace weft::server {
namespace {

// What a page draws beside the text.
json::Object outline(const workflow::Workflow& workflow) {
  json::Array steps;
  for (const workflow::Step& step : workflow.steps) {
    json::Object one{{"id", step.id}, {"type", step.type}};
    one["after"] = json::Array(step.dependencies.begin(), step.dependencies.end());
    if (step.join != workflow::Join::kAllOk) one["join"] = workflow::name(step.join);
    if (!step.when().empty()) one["when"] = step.when();
    one["line"] = step.place.line;
    steps.push_back(std::move(one));
  }
  return {{"id", workflow.id}, {"title", workflow.title}, {"version", workflow.version},
          {"hash", workflow.hash}, {"input", workflow.input_schema}, {"steps", std::move(steps)}};
}

json::Object checked_document(const std::string& text) {
  const workflow::Loaded loaded = workflow::load(text);
  json::Object out{{"valid", loaded.workflow != nullptr},
                   {"errors", workflow::to_json(loaded.errors)},
                   {"warnings", workflow::to_json(loaded.warnings)},
                   {"errors_left_out", loaded.errors_left_out}};
  if (!loaded.workflow) return out;
  out["workflow"] = outline(*loaded.workflow);
  // it is a workflow, and this server has no means for one of its steps
  if (const Status known = worker::check_step_types(*loaded.workflow); !known.ok()) {
    out["warnings"].as_array().push_back(json::Object{{"code", known.error().code},
                                                      {"line", 1},
                                                      {"column", 1},
                                                      {"message", known.error().message},
                                                      {"hint", known.error().hint}});
  }
  return out;
}

json::Object facts_object(const backend::ModelFacts& facts) {
  return {{"context", facts.context},
          {"fingerprint", facts.fingerprint},
          {"memory_bytes", facts.memory_bytes},
          {"requests", facts.requests},
          {"running", facts.running},
          {"waiting", facts.waiting},
          {"prompt_tokens", facts.prompt_tokens},
          {"cached_tokens", facts.cached_tokens},
          {"generated_tokens", facts.generated_tokens},
          {"drafted_tokens", facts.drafted_tokens},
          {"accepted_tokens", facts.accepted_tokens},
          {"busy_seconds", facts.busy_seconds},
          {"kv_used", facts.blocks_used},
          {"kv_cached", facts.blocks_cached},
          {"kv_blocks", facts.blocks}};
}

json::Object tool_object(const worker::Tool& tool, std::string_view source) {
  json::Object out = worker::openai_form(tool);
  out["source"] = source;
  return out;
}

// Where texts are redacted, nobody gets them as tokens either.
void leave_tokens_out(json::Object& step) {
  json::Value* calls = step.if_contains("calls");
  if (calls == nullptr) return;
  for (json::Value& call : calls->as_array()) {
    call.as_object().stable_erase("prompt_ids");
    call.as_object().stable_erase("output_ids");
  }
}

// Answers with a document of the store, or its error.
void show_stored(ServerContext& context, const ExchangePtr& exchange,
                 std::function<Result<json::Object>(store::Db&)> read) {
  context.runs->read<json::Object>(std::move(read), [exchange](Result<json::Object> document) {
    exchange->respond(document.ok() ? json_response(*document) : problem(document.error()));
  });
}

}  // namespace

void show_run_view(ServerContext& context, const ExchangePtr& exchange) {
  const std::string run = exchange->request().parameter("task_id");
  show_stored(context, exchange,
              [run, caller = caller_of(exchange->request())](
                  store::Db& db) -> Result<json::Object> {
                TRY(visible_run(db, caller, run, "runs:read"));
                return worker::read_run_view(db, run);
              });
}

void show_step_view(ServerContext& context, const ExchangePtr& exchange) {
  const std::string run = exchange->request().parameter("task_id");
  const std::string step = exchange->request().parameter("step");
  show_stored(context, exchange,
              [run, step, caller = caller_of(exchange->request()),
               whole = context.redaction.none()](store::Db& db) -> Result<json::Object> {
                TRY(visible_run(db, caller, run, "runs:read"));
                json::Object view = TRY(worker::read_step_view(db, run, step));
                if (!whole) leave_tokens_out(view);
                return view;
              });
}

void validate_definition(ServerContext& context, const ExchangePtr& exchange) {
  with_body(context, exchange, [&context, exchange](Result<json::Object> given) {
    const auto text = [&]() -> Result<std::string> {
      const json::Object body = TRY(std::move(given));
      Fields fields(body);
      std::string out = TRY(fields.required_text("text"));
      TRY(fields.finish());
      return out;
    }();
    if (!text.ok()) return exchange->respond(problem(text.error()));
    context.pool.submit([&context, exchange, text = *text] {
      auto checked = std::make_shared<json::Object>(checked_document(text));
      context.loop.post([exchange, checked] { exchange->respond(json_response(*checked)); });
    });
  });
}

void list_tools(ServerContext& context, const ExchangePtr& exchange) {
  json::Array items;
  for (const worker::Tool& tool : worker::builtin_tools()) {
    items.push_back(tool_object(tool, "built in"));
  }
  for (const auto& [id, workflow] : context.runs->workflows()) {
    for (const worker::Tool& tool : worker::tools_of(*workflow)) {
      if (tool.definition != nullptr) items.push_back(tool_object(tool, id));
    }
  }
  exchange->respond(json_response(json::Object{{"items", std::move(items)}}));
}

void list_model_states(ServerContext& context, const ExchangePtr& exchange) {
  const std::vector<backend::ModelFacts> loaded = backend::loaded_models(context.backend);
  json::Array items;
  for (const auto& [name, source] : backend::model_names(context.backend)) {
    json::Object one{{"name", name}, {"source", source}, {"loaded", false}};
    for (const backend::ModelFacts& facts : loaded) {
      if (facts.source != source) continue;
      one["loaded"] = true;
      for (auto& member : facts_object(facts)) one[member.key()] = member.value();
    }
    items.push_back(std::move(one));
  }
  exchange->respond(json_response(json::Object{{"items", std::move(items)}}));
}

void load_model(ServerContext& context, const ExchangePtr& exchange) {
  const std::string name = exchange->request().parameter("id");
  if (const Status known = check_model_name(context, name); !known.ok()) {
    return exchange->respond(problem(known.error()));
  }
  if (const Status allowed = may_manage_model(exchange->request(), name); !allowed.ok()) {
    return exchange->respond(problem(allowed.error()));
  }
  backend::model_facts(context.backend, name, [&context, exchange, name](auto facts) {
    auto told = std::make_shared<Result<backend::ModelFacts>>(std::move(facts));
    context.loop.post([exchange, told, name] {
      if (!told->ok()) return exchange->respond(problem(told->error()));
      json::Object out{{"name", name}, {"loaded", true}};
      for (auto& member : facts_object(**told)) out[member.key()] = member.value();
      exchange->respond(json_response(out));
    });
  });
}

}  // namespace weft::server
