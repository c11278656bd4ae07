// SPDX-License-Identifier: Apache-2.0
#include "cli/runs.h"

#include <algorithm>

#include "base/env.h"
#include "base/json.h"
#include "cli/exit.h"
#include "cli/run_session.h"
#include "cli/terminal.h"
#include "worker/run_reader.h"
#include "worker/run_report.h"
#include "worker/schema.h"

namespace weft::cli {
namespace {

Colour colour_of(std::string_view status) {
  if (status == "succeeded") return Colour::kGreen;
  if (status == "failed" || status == "timed_out") return Colour::kRed;
  if (status == "skipped") return Colour::kDim;
  return Colour::kYellow;
}

std::string duration_of(const worker::RunSummary& run) {
  if (run.started_us == 0 || run.finished_us == 0) return "";
  return fmt::format("{:.1f} s", static_cast<double>(run.finished_us - run.started_us) / 1e6);
}

json::Object summary_document(const worker::RunSummary& run) {
  json::Object out{{"run", run.id}, {"workflow", run.workflow}, {"status", run.status}};
  out["created"] = iso8601(run.created_us);
  if (run.started_us != 0) out["started"] = iso8601(run.started_us);
  if (run.finished_us != 0) out["finished"] = iso8601(run.finished_us);
  if (!run.worker.empty() && run.finished_us == 0) out["worker"] = run.worker;
  if (auto error = json::parse(run.error); !run.error.empty() && error.ok()) {
    out["error"] = std::move(error).value();
  }
  return out;
}

std::string_view text_at(const json::Object& object, std::string_view name) {
  const json::Value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string_view(value->as_string())
                                                : std::string_view();
}

std::string tokens_text(const json::Object& step) {
  const json::Value* tokens = step.if_contains("tokens");
  if (tokens == nullptr) return "";
  const json::Object& counts = tokens->as_object();
  return fmt::format("  {}: {} prompt, {} thinking, {} answer tokens", text_at(step, "model"),
                     counts.at("prompt").as_int64(), counts.at("reasoning").as_int64(),
                     counts.at("answer").as_int64());
}

void print_error_member(const json::Object& object) {
  const json::Value* error = object.if_contains("error");
  if (error == nullptr || !error->is_object()) return;
  const json::Object& failure = error->as_object();
  print_data(fmt::format("    {} {}", text_at(failure, "code"), text_at(failure, "message")));
  if (!text_at(failure, "hint").empty()) {
    print_data(fmt::format("    hint: {}", text_at(failure, "hint")));
  }
}

// What held the answer, and how sure the model was of what it chose.
void print_chosen(const json::Object& call) {
  if (!text_at(call, "grammar").empty()) {
    print_data(fmt::format("    answer held to {:.24}…", text_at(call, "grammar")));
  }
  const json::Value* chosen = call.if_contains("chosen");
  if (chosen == nullptr || !chosen->is_object()) return;
  for (const auto& [field, value] : chosen->as_object()) {
    const json::Value* one = value.is_object() ? value.as_object().if_contains("value") : nullptr;
    const json::Value* sure =
        value.is_object() ? value.as_object().if_contains("probability") : nullptr;
    if (one == nullptr || sure == nullptr || !sure->is_number()) continue;
    print_data(fmt::format("    chose {} = {} with probability {:.3f}", std::string_view(field),
                           json::dump(*one), sure->to_number<double>()));
  }
}

// Whether it was asked to think, by whom, and how much it did.
void print_mode(const json::Object& call) {
  if (text_at(call, "mode").empty()) return;
  print_data(fmt::format("    mode {} ({}): {} tokens of thought", text_at(call, "mode"),
                         text_at(call, "mode_why"),
                         call.at("tokens").as_object().at("reasoning").as_int64()));
}

// What the rules of routing chose, why, and what it has cost.
void print_route(const json::Object& call) {
  const json::Value* route = call.if_contains("route");
  if (route == nullptr || !route->is_object()) return;
  const json::Object& chosen = route->as_object();
  const json::Value* why = chosen.if_contains("why");
  for (const json::Value& reason : why && why->is_array() ? why->as_array() : json::Array()) {
    if (reason.is_string()) print_data("    route: " + std::string(reason.as_string()));
  }
  for (const std::string_view name : {"confidence", "price"}) {
    const json::Value* number = chosen.if_contains(name);
    if (number == nullptr || !number->is_number()) continue;
    print_data(fmt::format("    {} {:.6f}", name, number->to_number<double>()));
  }
}

void print_history(const json::Object& step) {
  for (const json::Value& value : step.at("history").as_array()) {
    const json::Object& entry = value.as_object();
    std::string line = fmt::format("    {}  {}", text_at(entry, "at"), text_at(entry, "status"));
    if (!text_at(entry, "path").empty()) line += fmt::format("  {}", text_at(entry, "path"));
    if (const json::Value* attempt = entry.if_contains("attempt")) {
      line += fmt::format("  attempt {}", json::dump(*attempt));
    }
    if (!text_at(entry, "why").empty()) line += fmt::format("  {}", text_at(entry, "why"));
    print_data(line);
  }
  const json::Value* calls = step.if_contains("calls");
  if (calls == nullptr) return;
  for (const json::Value& value : calls->as_array()) {
    const json::Object& call = value.as_object();
    const json::Value* remote = call.if_contains("remote");
    if (remote != nullptr && remote->is_object()) {
      const json::Object& who = remote->as_object();
      print_data(fmt::format("    model {}, answered by {} ({} at {}), not reproducible, ended by "
                             "{}", text_at(call, "model"), text_at(who, "backend"),
                             text_at(who, "server"), text_at(who, "endpoint"),
                             text_at(call, "finish_reason")));
    } else {
      print_data(fmt::format("    model {}, weights {:.12}…, prompt {:.12}…, ended by {}",
                             text_at(call, "model"), text_at(call, "model_hash"),
                             text_at(call, "prompt_hash"), text_at(call, "finish_reason")));
    }
    print_mode(call);
    print_chosen(call);
    print_route(call);
    if (const json::Value* sampler = call.if_contains("sampler")) {
      print_data("    sampler " + json::dump(*sampler));
    }
  }
}

}  // namespace

int list_runs(const RunsListOptions& options) {
  const Status known = worker::check_statuses("E0904", "--status", options.status);
  if (!known.ok()) {
    say_error(known.error());
    return kExitUsage;
  }
  auto db = open_store(options.store);
  if (!db.ok()) return refuse_run(db.error());
  auto runs = worker::list_runs(**db, {.status = options.status, .workflow = options.workflow,
                                       .limit = options.limit});
  if (!runs.ok()) return refuse_run(runs.error());
  if (options.json) {
    json::Array out;
    for (const auto& run : *runs) out.push_back(summary_document(run));
    print_data(json::dump(json::Value(std::move(out)), {.spaces = true, .indent = 2}));
    return kExitOk;
  }
  if (runs->empty()) {
    const bool any = options.status.empty() && options.workflow.empty();
    say(any ? "no runs yet; start one with: weft run FILE" : "no run is of that kind");
  }
  for (const auto& run : *runs) {
    print_data(fmt::format("{}  {:<10}  {}  {}  {}", run.id, run.status, iso8601(run.created_us),
                           run.workflow, duration_of(run)));
  }
  return kExitOk;
}

int show_run(const RunsShowOptions& options) {
  auto db = open_store(options.store);
  if (!db.ok()) return refuse_run(db.error());
  const auto id = worker::find_run(**db, options.run);
  if (!id.ok()) return refuse_run(id.error());
  auto document = worker::read_run_document(**db, *id);
  if (!document.ok()) return refuse_run(document.error());
  if (options.json) {
    print_data(json::dump(json::Value(*document), {.spaces = true, .indent = 2}));
    return kExitOk;
  }
  print_data(fmt::format("run {}  {}  {}", *id, text_at(*document, "workflow"),
                         painted(text_at(*document, "status"),
                                 colour_of(text_at(*document, "status")))));
  for (const auto& member : document->at("steps").as_object()) {
    const json::Object& step = member.value().as_object();
    const std::string_view status = text_at(step, "status");
    print_data(fmt::format("  {:<24} {}  {} ms{}", std::string_view(member.key()),
                           painted(status, colour_of(status)), step.at("ms").as_int64(),
                           tokens_text(step)));
    if (!step.at("output").is_null()) print_data("    " + json::dump(step.at("output")));
    print_error_member(step);
  }
  print_data("output " + json::dump(document->at("output"), {.spaces = true, .indent = 2}));
  print_error_member(*document);
  return kExitOk;
}

namespace {

void print_why(const json::Object& document, std::string_view indent) {
  const json::Value* why = document.if_contains("why");
  if (why == nullptr || !why->is_array()) return;
  for (const json::Value& line : why->get_array()) {
    print_data(fmt::format("{}{}", indent, std::string_view(line.as_string())));
  }
}

}  // namespace

int explain(const RunsShowOptions& options) {
  auto db = open_store(options.store);
  if (!db.ok()) return refuse_run(db.error());
  const auto id = worker::find_run(**db, options.run);
  if (!id.ok()) return refuse_run(id.error());
  auto document = worker::explain_run(**db, *id, options.step);
  if (!document.ok()) return refuse_run(document.error());
  if (options.json) {
    print_data(json::dump(json::Value(*document), {.spaces = true, .indent = 2}));
    return kExitOk;
  }
  print_data(fmt::format("run {}  {}", *id, text_at(*document, "status")));
  print_why(*document, "  ");
  for (const auto& member : document->at("steps").as_object()) {
    const json::Object& step = member.value().as_object();
    std::string line = fmt::format("  {} ({})", std::string_view(member.key()),
                                   text_at(step, "type"));
    const json::Array& dependencies = step.at("dependencies").as_array();
    for (size_t i = 0; i < dependencies.size(); ++i) {
      line += i == 0 ? "  after " : ", ";
      line += std::string_view(dependencies[i].as_string());
    }
    if (dependencies.size() > 1) line += fmt::format("  ({})", text_at(step, "join"));
    if (!text_at(step, "when").empty()) line += fmt::format("  when {}", text_at(step, "when"));
    print_data(line);
    print_why(step, "      ");
    print_history(step);
  }
  print_error_member(*document);
  return kExitOk;
}

int resume_runs(const RunsResumeOptions& options) {
  auto db = open_store(options.store);
  if (!db.ok()) return refuse_run(db.error());
  std::vector<std::string> wanted;
  if (!options.run.empty()) {
    const auto id = worker::find_run(**db, options.run);
    if (!id.ok()) return refuse_run(id.error());
    wanted.push_back(*id);
  } else {
    for (const std::string_view status : {"queued", "running", "waiting"}) {
      auto runs = worker::list_runs(**db, {.status = std::string(status), .limit = 1000});
      if (!runs.ok()) return refuse_run(runs.error());
      for (const auto& run : *runs) wanted.push_back(run.id);
    }
    if (wanted.empty()) say("no run is unfinished");
  }
  RunSession session({.store = options.store,
                      .json = options.json,
                      .quiet = options.quiet,
                      .show_tokens = options.follow,
                      .grants = options.grants});
  if (Status started = session.start(); !started.ok()) return refuse_run(started.error());
  for (const std::string& run : wanted) session.process().journal().want(run);
  return session.follow(wanted);
}

}  // namespace weft::cli
