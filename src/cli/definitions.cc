// SPDX-License-Identifier: Apache-2.0
#include "cli/definitions.h"

#include <fmt/format.h>

#include <optional>

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "cli/class_warnings.h"
#include "cli/config_file.h"
#include "cli/demo_model.h"
#include "cli/exit.h"
#include "cli/schema_warnings.h"
#include "cli/terminal.h"
#include "workflow/document_schema.h"
#include "workflow/loader.h"
#include "workflow/picture.h"
#include "workflow/secret_names.h"

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

// Secrets that the workflow uses and the configuration has not.
void check_secret_names(const Config& config, workflow::Loaded& loaded) {
  std::vector<std::string> names;
  for (const auto& [name, source] : config.secrets) names.push_back(name);
  for (const workflow::SecretName& one : workflow::secret_names(*loaded.workflow)) {
    if (config.secrets.contains(one.name)) continue;
    loaded.errors.push_back({"E0633", one.place,
                             fmt::format("{}: there is no secret {}", one.where, quoted(one.name)),
                             name_hint(one.name, names)});
  }
}

// Classes that no rule knows, and what the demo model cannot do.
void check_models(const Config& config, workflow::Loaded& loaded) {
  for (auto& warning : class_warnings(*loaded.workflow, config.models.rules)) {
    loaded.warnings.push_back(std::move(warning));
  }
  const auto demo = [&](const std::string& model) { return is_demo_model(config.models, model); };
  for (auto& warning : demo_model_warnings(*loaded.workflow, config.models.rules, demo)) {
    loaded.warnings.push_back(std::move(warning));
  }
}

// All that can be said about one document; without a file, `config` holds the defaults.
workflow::Loaded validated(const std::string& text, const Config& config, bool secrets) {
  workflow::Loaded loaded = workflow::load(text);
  if (loaded.workflow == nullptr) return loaded;
  for (auto& warning : schema_warnings(*loaded.workflow)) {
    loaded.warnings.push_back(std::move(warning));
  }
  check_models(config, loaded);
  if (secrets) check_secret_names(config, loaded);
  if (!loaded.errors.empty()) loaded.workflow = nullptr;
  return loaded;
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
    const workflow::Loaded loaded = validated(*text, *config, !options.config.empty());
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
