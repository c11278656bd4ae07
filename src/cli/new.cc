// SPDX-License-Identifier: Apache-2.0
#include "cli/new.h"

#include <algorithm>
#include <future>

#include "base/file.h"
#include "base/strings.h"
#include "cli/backends.h"
#include "cli/config.h"
#include "cli/config_file.h"
#include "cli/demo_model.h"
#include "cli/dry_run.h"
#include "cli/exit.h"
#include "cli/terminal.h"
#include "schema/example.h"
#include "worker/workflow_draft.h"
#include "workflow/input.h"
#include "workflow/loader.h"

namespace weft::cli {
namespace {

constexpr int kTriesMax = 3;

Result<backend::ChatResult> draft_answer(backend::Router& router,
                                         const backend::ChatRequest& request) {
  auto promise = std::make_shared<std::promise<Result<backend::ChatResult>>>();
  auto future = promise->get_future();
  const auto call = router.chat(
      request, {.on_delta = {}, .on_done = [promise](Result<backend::ChatResult> result) {
        promise->set_value(std::move(result));
      }});
  return future.get();
}

void tell_demo_model(const NewOptions& options, const Config& config) {
  const bool elsewhere = std::ranges::any_of(options.grants.backends, [&](const auto& given) {
    return given.starts_with(options.model + "=");
  });
  if (elsewhere || !is_demo_model(config.models, options.model)) return;
  say(painted("warning: ", Colour::kYellow) +
      "weft-mini, the demo model, cannot draft workflows well: the draft will be valid and mostly "
      "beside the point; name a larger model with --model");
}

Result<std::string> drafted(const NewOptions& options) {
  const Config config = TRY(load_config(options.grants.config));
  tell_demo_model(options, config);
  backend::ModelsOptions models = models_options(config.models);
  models.load.cache_directory = cache_directory();
  const auto router = TRY(open_router(std::move(models), options.grants, config.models));
  backend::ChatRequest request = worker::draft_request(options.model, options.from, options.seed);
  for (int tries = 0; tries < kTriesMax; ++tries) {
    const backend::ChatResult result = TRY(draft_answer(*router, request));
    auto text = worker::drafted_document(result.content, options.from);
    if (text.ok() || text.error().code != "E0907") return text;
    say_error(text.error());
    worker::tell_draft_refused(request, result.content, text.error());
  }
  say(fmt::format("the model gave no draft in {} tries: this is a frame to fill in", kTriesMax));
  return worker::undrafted_document(options.from);
}

Result<std::string> made(const NewOptions& options) {
  if (trim(options.from).empty()) {
    return make_error("E0904", "--from says what the workflow should do",
                      "weft new --from \"sort inquiries and let a person approve refunds\"");
  }
  if (!options.output.empty() && file_exists(options.output)) {
    return make_error("E0904", fmt::format("{} exists", quoted(options.output)),
                      "nothing is overwritten: choose another name");
  }
  return drafted(options);
}

// What would happen, on an input made up for its schema. A draft is a document to go on from: that
// it cannot run to its end yet is told and is no failure of the command.
void try_out(const NewOptions& options, const std::string& text) {
  const auto report = [&]() -> Result<json::Object> {
    const auto workflow = TRY(workflow::load_or_error(text, "the draft"));
    json::Value input = TRY(schema::example_of(workflow->input_schema));
    return dry_run({.workflow = workflow,
                    .input = TRY(workflow::completed_input(*workflow, std::move(input))),
                    .model = options.model == "default" ? "" : options.model,
                    .grants = options.grants,
                    .seed = static_cast<uint64_t>(options.seed.value_or(1))});
  }();
  if (!report.ok()) return say_error(report.error());
  say(dry_run_text(*report));
}

}  // namespace

int run_new(const NewOptions& options) {
  const auto text = made(options);
  if (!text.ok()) {
    say_error(text.error());
    return text.error().code == "E0904" ? kExitUsage : kExitFailed;
  }
  if (options.dry_run) try_out(options, *text);
  if (options.output.empty()) {
    print_raw(*text);
    return kExitOk;
  }
  if (const Status written = write_file_atomic(options.output, *text); !written.ok()) {
    say_error(written.error());
    return kExitConfiguration;
  }
  say(fmt::format("see it with: weft graph {}; start it with: weft run {}", options.output,
                  options.output));
  return kExitOk;
}

}  // namespace weft::cli
