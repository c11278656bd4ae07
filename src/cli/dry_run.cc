// SPDX-License-Identifier: Apache-2.0
#include "cli/dry_run.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "base/file.h"
#include "base/strings.h"
#include "cli/exit.h"
#include "cli/run_session.h"
#include "cli/temporary_directory.h"
#include "worker/rehearsal.h"
#include "worker/run_context.h"

namespace weft::cli {
namespace {

constexpr size_t kShownMax = 300;

std::string_view member_text(const json::Object& object, std::string_view name) {
  const json::Value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                : std::string_view();
}

// What is not JSON is text, as for inputs.
Result<worker::Rehearsal::Answers> answers_of(const std::vector<std::string>& given) {
  worker::Rehearsal::Answers out;
  for (const std::string& one : given) {
    const size_t equals = one.find('=');
    if (equals == std::string::npos || equals == 0) {
      return make_error("E0902", fmt::format("--answer {} should be NAME=JSON", quoted(one)),
                        "--answer fetch='{\"status\": 200, \"body\": {\"id\": 7}}', or "
                        "--answer fetch=@file.json");
    }
    std::string text = one.substr(equals + 1);
    const bool file = text.starts_with('@');
    if (file) text = TRY(read_file(text.substr(1)));
    auto value = json::parse(text);
    if (!value.ok() && file) return in_context(std::move(value).error(), one);
    out[one.substr(0, equals)] = value.ok() ? std::move(*value) : json::Value(text);
  }
  return out;
}

json::Array calls_of(const worker::Rehearsal& rehearsal) {
  json::Array out;
  for (const worker::RehearsedCall& call : rehearsal.calls()) {
    json::Object one{{"step", call.path}, {"type", call.type}};
    if (!call.tool.empty()) one["tool"] = call.tool;
    if (call.approval) one["approval"] = true;
    one["parameters"] = call.parameters;
    one["answered"] = call.answer;
    if (call.given) one["given"] = true;
    out.push_back(std::move(one));
  }
  return out;
}

// A person's answer that no step has asked for is misspelt, or its step did not run.
json::Array unused_of(const worker::Rehearsal& rehearsal) {
  json::Array out;
  for (const std::string& name : rehearsal.unused_answers()) out.emplace_back(name);
  return out;
}

std::string brief(const json::Value& value) {
  std::string text = value.is_string() ? std::string(value.get_string())
                                       : json::dump(value, {.spaces = true});
  for (char& c : text) {  // a terminal obeys control characters
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  if (text.size() <= kShownMax) return text;
  size_t end = kShownMax;  // not in the middle of a character
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + " …";
}

// What it would do, in a line.
std::string would_text(const json::Object& call) {
  const json::Object& parameters = call.at("parameters").get_object();
  const std::string type(member_text(call, "type"));
  const auto of = [&](std::string_view name) { return std::string(member_text(parameters, name)); };
  if (type == "http") {
    return fmt::format("send {} {}", of("method").empty() ? "GET" : of("method"), of("url"));
  }
  if (type == "database") return fmt::format("ask {}: {}", of("connection"), of("query"));
  if (type == "notification") return fmt::format("notify by {}", of("channel"));
  if (type == "mcp") return fmt::format("call {} of the MCP server {}", of("tool"), of("server"));
  if (type == "file") return fmt::format("{} the file {}", of("action"), of("path"));
  if (type == "shell") return "run a command";
  if (type == "approval") return fmt::format("ask {} to approve", of("role"));
  if (type == "signal") return fmt::format("wait for the signal {}", of("name"));
  if (type == "wait") return "wait";
  return fmt::format("do its {} step", type);
}

std::string call_text(const json::Object& call) {
  const bool tool = call.contains("tool");
  std::string out = fmt::format("  {} would {}\n", member_text(call, "step"), would_text(call));
  if (tool) {
    out = fmt::format("  {} would call {}{}: {}\n", member_text(call, "step"),
                      member_text(call, "tool"),
                      call.contains("approval") ? ", after an approval" : "", would_text(call));
  }
  out += fmt::format("      with {}\n", brief(call.at("parameters")));
  return out + fmt::format("      {} {}\n",
                           call.contains("given") ? "answered as you said:" : "answered here by",
                           brief(call.at("answered")));
}

}  // namespace

Result<json::Object> dry_run(DryRunOptions options) {
  worker::Rehearsal rehearsal(TRY(answers_of(options.answers)));
  const auto directory = TRY(TemporaryDirectory::create());
  RunSession session({.store = {.path = directory->path() + "/store.db"},
                      .quiet = true,
                      .grants = std::move(options.grants),
                      .rehearsal = &rehearsal});
  TRY(session.start());
  worker::NewRun request;
  request.workflow = options.workflow;
  request.input = options.input;
  request.definitions = std::move(options.definitions);
  request.context = worker::to_json(worker::RunContext{
      .roots = {std::filesystem::current_path().string()}, .model = options.model});
  request.seed = options.seed;
  const std::string run = TRY(session.process().executor().submit(std::move(request)));
  const bool ended = TRY(session.wait({run}));
  const json::Object document = TRY(session.document(run));
  json::Object out{{"dry_run", true}, {"workflow", options.workflow->id}};
  out["status"] = ended ? document.at("status") : json::Value("interrupted");
  out["input"] = std::move(options.input);
  for (const char* name : {"output", "error", "steps"}) {
    if (const json::Value* value = document.if_contains(name)) out[name] = *value;
  }
  out["would"] = calls_of(rehearsal);
  if (json::Array unused = unused_of(rehearsal); !unused.empty()) {
    out["unused_answers"] = std::move(unused);
  }
  return out;
}

int dry_run_exit(const json::Object& report) {
  const std::string_view status = member_text(report, "status");
  if (status == "interrupted") return kExitInterrupted;
  return status == "succeeded" ? kExitOk : kExitFailed;
}

std::string dry_run_text(const json::Object& report) {
  std::string out = fmt::format("A dry run of {}: nothing was sent, changed or waited for.\n\n",
                                member_text(report, "workflow"));
  for (const auto& [id, step] : report.at("steps").as_object()) {
    const json::Object& one = step.as_object();
    out += fmt::format("  {:<24} {}\n", std::string_view(id), member_text(one, "status"));
  }
  const json::Array& would = report.at("would").as_array();
  out += would.empty() ? "\nIt does nothing outside of this process.\n" : "\nOutside, it would:\n";
  for (const json::Value& call : would) out += call_text(call.as_object());
  if (const json::Value* unused = report.if_contains("unused_answers")) {
    for (const json::Value& name : unused->as_array()) {
      out += fmt::format("\nNothing asked for --answer {}.\n",
                         std::string_view(name.as_string()));
    }
  }
  if (dry_run_exit(report) == kExitOk) {
    return out + fmt::format("\nThe output would be made of these answers: {}\n",
                             brief(report.at("output")));
  }
  if (dry_run_exit(report) == kExitInterrupted) return out + "\nInterrupted.\n";
  const json::Value* failure = report.if_contains("error");
  const json::Object none;
  const json::Object& error = failure && failure->is_object() ? failure->as_object() : none;
  out += fmt::format("\nIt ends as {} at {}: {} {}\n", member_text(report, "status"),
                     member_text(error, "step"), member_text(error, "code"),
                     member_text(error, "message"));
  return would.empty() ? out
                       : out + "If that is for want of a real answer, give one: "
                               "--answer STEP='{…}' or --answer STEP=@file.json\n";
}

}  // namespace weft::cli
