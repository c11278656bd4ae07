// SPDX-License-Identifier: Apache-2.0
#include "cli/tools.h"

#include <algorithm>
#include <filesystem>

#include "base/env.h"
#include "base/file.h"
#include "base/strings.h"
#include "cli/config_file.h"
#include "cli/exit.h"
#include "cli/run_input.h"
#include "cli/terminal.h"
#include "net/client.h"
#include "worker/asio_loop.h"
#include "worker/mcp_client.h"
#include "worker/openapi.h"
#include "worker/rehearsal.h"
#include "worker/run_context.h"
#include "worker/tools.h"
#include "workflow/loader.h"
#include "workflow/yaml.h"

namespace weft::cli {
namespace {

constexpr size_t kToolsBytesMax = size_t{16} << 20;

// Without a file: a workflow that declares nothing.
Result<std::shared_ptr<const workflow::Workflow>> workflow_of(const std::string& file) {
  if (file.empty()) return std::make_shared<const workflow::Workflow>();
  return workflow::load_or_error(TRY(read_file(file, kToolsBytesMax)), file);
}

int refuse_call(const Error& error) {
  say_error(error);
  if (error.code == "E0020" || error.code == "E0625") return kExitNotFound;
  if (error.code == "E0902" || error.code == "E0905") return kExitUsage;
  return kExitFailed;
}

// What one call needs of a process, and nothing durable.
class Caller {
 public:
  Caller(const ToolsCallOptions& options, worker::ToolSettings settings)
      : settings_(std::move(settings)), pool_(1),
        http_(loop_.io_context(), {.policy = {.allowed_hosts = options.grants.hosts}}),
        mcp_(loop_, settings_.mcp),
        services_{real_env(), loop_, pool_, nullptr, &http_, &settings_, &mcp_} {
    const std::string root = options.files.empty() ? "." : options.files;
    run_context_ = worker::to_json(worker::RunContext{
        .roots = {std::filesystem::weakly_canonical(std::filesystem::absolute(root)).string()},
        .model = {}});
  }

  Result<json::Value> call(const worker::Tool& tool, const json::Value& arguments,
                           const json::Value& input, int64_t timeout_s) {
    const json::Value env = json::Object();
    worker::StepContext context;
    context.run = new_id(real_env(), "call_");  // each call is an act of its own
    context.path = tool.name;
    context.effect_key = context.run;
    context.now_us = real_env().wall_us();
    context.deadline_us = context.now_us + timeout_s * 1'000'000;
    context.run_context = &run_context_;
    context.input = &input;
    context.env = &env;
    context.services = &services_;
    context.on_progress = [](worker::StepProgress) {};
    const std::string id = context.run;
    worker::PreparedCall call =
        TRY(worker::prepare_call(tool, arguments, std::move(context), id));
    worker::StepContext names;
    names.run = id;
    names.input = &input;
    names.env = &env;
    std::optional<worker::StepOutcome> outcome;
    const auto done_with = [&](worker::StepOutcome done) {
      auto told = std::make_shared<worker::StepOutcome>(std::move(done));
      loop_.post([&, told] {
        outcome = std::move(*told);
        loop_.stop();
      });
    };
    auto started = worker::begin_step(*call.type, std::move(call.context), done_with);
    if (started.outcome) outcome = std::move(*started.outcome);
    if (!outcome) loop_.run();
    if (!outcome) return make_error("E0625", "the call was interrupted");
    if (auto* result = std::get_if<worker::StepResult>(&*outcome)) {
      return worker::tool_output(tool, arguments, names, std::move(result->output));
    }
    if (auto* failure = std::get_if<worker::StepFailure>(&*outcome)) return failure->error;
    if (auto* unknown = std::get_if<worker::StepUnknown>(&*outcome)) return unknown->error;
    return make_error("E0625", "a tool cannot wait");
  }

 private:
  const worker::ToolSettings settings_;
  worker::AsioLoop loop_;
  worker::ThreadPool pool_;
  net::Client http_;
  worker::McpClient mcp_;
  worker::Services services_;
  json::Object run_context_;
};

Result<json::Value> call_result(const ToolsCallOptions& options) {
  const auto workflow = TRY(workflow_of(options.workflow));
  const worker::Tool tool = TRY(worker::find_tool(*workflow, options.name));
  workflow::Workflow reading;  // so that arguments are read as a run's input is
  reading.input_schema = tool.parameters;
  const json::Value arguments = TRY(input_members(reading, options.inputs));
  json::Value input = json::Object();
  if (!options.run_input.empty()) input = TRY(json::parse(options.run_input));
  const Config config = TRY(load_config(options.grants.config));
  Caller caller(options, TRY(tool_settings(options.grants, config)));
  return caller.call(tool, arguments, input, options.timeout_s);
}

// The tools of an MCP server, each as a declaration whose step calls it. What the server says
// about reading only is a hint; who pastes this decides.
Result<worker::OpenapiTools> tools_of_mcp(const ToolsImportOptions& options,
                                          const std::string& server) {
  const Config config = TRY(load_config(options.grants.config));
  const worker::ToolSettings settings = TRY(tool_settings(options.grants, config));
  worker::AsioLoop loop;
  worker::McpClient client(loop, settings.mcp);
  std::optional<worker::McpClient::Answer> answer;
  client.list(server, 60'000'000, [&](worker::McpClient::Answer given) {
    answer = std::move(given);
    loop.stop();
  });
  loop.run();
  CHECK(answer.has_value());
  if (answer->failure) return answer->failure->error;
  worker::OpenapiTools out;
  for (const json::Value& tool : answer->result.at("tools").as_array()) {
    if (!tool.is_object() || !tool.get_object().contains("name")) continue;
    const json::Value& name = tool.get_object().at("name");
    const auto& wanted = options.operations;
    const std::string said = name.is_string() ? std::string(name.get_string()) : "";
    if (!wanted.empty() && std::ranges::find(wanted, said) == wanted.end()) continue;
    out.tools.push_back(worker::declaration_of_mcp_tool(server, tool.get_object()));
  }
  return out;
}

Result<worker::OpenapiTools> imported(const ToolsImportOptions& options) {
  if (options.file.starts_with("mcp:")) return tools_of_mcp(options, options.file.substr(4));
  const std::string text = TRY(read_file(options.file, kToolsBytesMax));
  workflow::YamlTree tree;
  workflow::Problems problems;
  if (!workflow::YamlTree::parse(text, tree, problems)) {
    const auto found = problems.take();
    return workflow::to_error(found, options.file);
  }
  const json::Value document = TRY(json::parse(tree.canonical()));
  return worker::tools_of_openapi(document, {.operations = options.operations,
                                             .server = options.server,
                                             .base_url = options.base_url});
}

}  // namespace

int list_tools(const ToolsListOptions& options) {
  const auto workflow = workflow_of(options.workflow);
  if (!workflow.ok()) return refuse_call(workflow.error());
  json::Array list;
  for (const worker::Tool& tool : worker::tools_of(**workflow)) {
    if (options.json) {
      list.push_back(worker::openai_form(tool));
    } else {
      print_data(fmt::format("{:<24}  {:<12}  {}", tool.name,
                             tool.type != nullptr ? tool.type->name() : "-", tool.description));
    }
  }
  if (options.json) print_data(json::dump(list, {.spaces = true, .indent = 2}));
  return kExitOk;
}

int call_tool(const ToolsCallOptions& options) {
  const auto result = call_result(options);
  if (!result.ok()) return refuse_call(result.error());
  const bool text = result->is_string() && !options.json;
  print_data(text ? std::string(result->get_string())
                  : json::dump(*result, {.spaces = true, .indent = 2}));
  return kExitOk;
}

int import_tools(const ToolsImportOptions& options) {
  const auto imported_tools = imported(options);
  if (!imported_tools.ok()) return refuse_call(imported_tools.error());
  // JSON is YAML: a list of one line each reads well and can be pasted under `tools:`.
  if (options.json) {
    for (const std::string& note : imported_tools->notes) say(note);
    print_data(json::dump(imported_tools->tools, {.spaces = true, .indent = 2}));
    return kExitOk;
  }
  for (const std::string& note : imported_tools->notes) print_data("# " + note);
  print_data("tools:");
  for (const json::Value& tool : imported_tools->tools) {
    print_data("  - " + json::dump(tool, {.spaces = true}));
  }
  return kExitOk;
}

}  // namespace weft::cli
