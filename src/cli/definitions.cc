// SPDX-License-Identifier: Apache-2.0
#include "cli/definitions.h"

#include <fmt/format.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/class_warnings.h"
#include "cli/config_file.h"
#include "cli/exit.h"
#include "cli/schema_warnings.h"
#include "cli/terminal.h"
#include "workflow/document_schema.h"
#include "workflow/loader.h"
#include "workflow/picture.h"

namespace weft::cli {
namespace {

void say_problems(const workflow::Loaded& loaded, const std::string& file) {
  for (const workflow::Problem& p : loaded.warnings) {
    say(painted("warning: ", Colour::kYellow) + workflow::text(p, file));
  }
  for (const workflow::Problem& p : loaded.errors) {
    say(painted("error: ", Colour::kRed) + workflow::text(p, file));
  }
  if (loaded.errors_left_out > 0) {
    say(fmt::format("{}: {} more errors are not shown", file, loaded.errors_left_out));
  }
}

void add_warnings(const backend::RoutingConfig& rules, workflow::Loaded& loaded) {
  std::vector<workflow::Problem> more = schema_warnings(*loaded.workflow);
  for (auto& one : class_warnings(*loaded.workflow, rules)) more.push_back(std::move(one));
  for (auto& one : more) loaded.warnings.push_back(std::move(one));
}

}  // namespace

int run_validate(const ValidateOptions& options) {
  if (options.schema) {
    print_data(json::dump(workflow::document_schema(), {.spaces = true, .indent = 2}));
    return kExitOk;
  }
  const auto config = load_config(options.config);
  if (!config.ok()) {
    say_error(config.error());
    return kExitConfiguration;
  }
  int code = kExitOk;
  json::Array report;
  for (const std::string& file : options.files) {
    const auto text = read_file(file);
    if (!text.ok()) {
      code = kExitNotFound;
      if (!options.json) say_error(text.error());
      report.push_back(json::Object{
          {"file", file},
          {"valid", false},
          {"errors", json::Array{json::Object{{"code", text.error().code},
                                              {"message", text.error().message}}}}});
      continue;
    }
    workflow::Loaded loaded = workflow::load(*text);
    if (loaded.workflow) add_warnings(config->models.rules, loaded);
    const bool valid = loaded.workflow != nullptr;
    if (!valid && code == kExitOk) code = kExitFailed;
    if (!options.json) {
      say_problems(loaded, file);
      if (valid) {
        say(fmt::format("{}: valid: workflow '{}', {} steps", file, loaded.workflow->id,
                        loaded.workflow->steps.size()));
      }
    }
    json::Object entry{{"file", file},
                       {"valid", valid},
                       {"errors", workflow::to_json(loaded.errors)},
                       {"warnings", workflow::to_json(loaded.warnings)}};
    if (valid) {
      entry.emplace("id", loaded.workflow->id);
      entry.emplace("steps", loaded.workflow->steps.size());
      entry.emplace("hash", loaded.workflow->hash);
    }
    report.push_back(std::move(entry));
  }
  if (options.json) print_data(json::dump(report, {.indent = 2}));
  return code;
}

int run_graph(const GraphOptions& options) {
  const auto text = read_file(options.file);
  if (!text.ok()) {
    say_error(text.error());
    return kExitNotFound;
  }
  const workflow::Loaded loaded = workflow::load(*text);
  say_problems(loaded, options.file);
  if (loaded.workflow == nullptr) return kExitFailed;
  if (options.json || options.format == "json") {
    print_data(json::dump(workflow::picture_json(*loaded.workflow), {.indent = 2}));
  } else {
    print_data(options.format == "dot" ? workflow::dot(*loaded.workflow)
                                       : workflow::mermaid(*loaded.workflow));
  }
  return kExitOk;
}

}  // namespace weft::cli
