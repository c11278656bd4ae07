// SPDX-License-Identifier: Apache-2.0
#include "cli/plan.h"

#include "backend/routing.h"
#include "base/file.h"
#include "cli/config_file.h"
#include "cli/exit.h"
#include "cli/run_session.h"
#include "cli/terminal.h"
#include "worker/run_reader.h"
#include "worker/run_report.h"
#include "workflow/forecast.h"
#include "workflow/loader.h"

namespace weft::cli {
namespace {

constexpr int64_t kRunsRead = 20;

struct History {
  std::map<std::string, workflow::StepHistory> steps;
  double tokens_per_second = 0;
  int64_t runs = 0;
};

double number_of(const json::Object& object, std::string_view name) {
  const json::Value* value = object.if_contains(name);
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0;
}

void add(workflow::StepHistory& history, const json::Object& step) {
  const auto mean = [&](double& so_far, double newest) {
    so_far += (newest - so_far) / static_cast<double>(history.runs);
  };
  history.runs += 1;
  mean(history.seconds, number_of(step, "ms") / 1000);
  const json::Value* tokens = step.if_contains("tokens");
  if (tokens == nullptr || !tokens->is_object()) return;
  mean(history.prompt, number_of(tokens->as_object(), "prompt"));
  mean(history.reasoning, number_of(tokens->as_object(), "reasoning"));
  mean(history.answer, number_of(tokens->as_object(), "answer"));
}

Result<History> history_of(const StoreFlags& store, const std::string& workflow) {
  History out;
  auto db = TRY(open_store(store));
  const auto runs = TRY(worker::list_runs(
      *db, {.status = "succeeded", .workflow = workflow, .limit = kRunsRead}));
  double tokens = 0, seconds = 0;
  for (const worker::RunSummary& run : runs) {
    const json::Object document = TRY(worker::read_run_document(*db, run.id));
    for (const auto& [id, step] : document.at("steps").as_object()) {
      if (!step.is_object()) continue;
      const json::Value* status = step.as_object().if_contains("status");
      if (status != nullptr && *status == "succeeded") add(out.steps[id], step.as_object());
    }
    for (const worker::AiCallRow& call : TRY(worker::ai_calls(*db, run.id))) {
      tokens += static_cast<double>(call.tokens_reasoning + call.tokens_answer);
      seconds += static_cast<double>(call.prefill_us + call.decode_us) / 1e6;
    }
    out.runs += 1;
  }
  if (seconds > 0) out.tokens_per_second = tokens / seconds;
  return out;
}

// By the model that the step names; 0 where nobody has set a price.
double price_of_step(const workflow::Step& step, const workflow::StepForecast& forecast,
                     const backend::RoutingConfig& rules) {
  const json::Object* parameters = step.parameters.if_object();
  const json::Value* named = parameters ? parameters->if_contains("model") : nullptr;
  const std::string name =
      named != nullptr && named->is_string() ? std::string(named->as_string()) : "default";
  const auto found = rules.models.find(name);
  if (found == rules.models.end()) return 0;
  backend::TokenCounts tokens;
  tokens.prompt = forecast.prompt;
  tokens.answer = forecast.generated;
  return backend::price_of(found->second.price, tokens, forecast.seconds);
}

json::Object shown(const workflow::StepForecast& step, double price) {
  json::Object out{{"type", step.type},
                   {"measured", step.measured},
                   {"prompt_tokens", step.prompt},
                   {"generated_tokens", step.generated}};
  out["seconds"] = step.seconds > 0 || step.measured ? json::Value(step.seconds) : json::Value();
  if (step.loops) out["per"] = "item";
  if (step.waits) out["waits"] = true;
  if (price > 0) out["price"] = price;
  return out;
}

std::string line_of(const workflow::StepForecast& step, double price) {
  std::string out = fmt::format("{:<24}  {:<10}", step.id, step.type);
  out += step.waits ? fmt::format("{:>12}", "waits")
         : step.seconds > 0 || step.measured ? fmt::format("{:>10.2f} s", step.seconds)
                                             : fmt::format("{:>12}", "-");
  if (step.thinks) {
    out += fmt::format("  {} prompt, {}{} generated tokens", step.prompt,
                       step.measured ? "" : "at most ", step.generated);
  }
  if (price > 0) out += fmt::format("  price {:.6f}", price);
  if (step.loops) out += "  an item";
  return out;
}

Status plan(const PlanOptions& options) {
  const auto workflow = TRY(workflow::load_or_error(TRY(read_file(options.file)), options.file));
  const Config config = TRY(load_config(options.config));
  const History history = TRY(history_of(options.store, workflow->id));
  const workflow::Forecast told =
      workflow::forecast(*workflow, history.steps, history.tokens_per_second);
  json::Object steps;
  double price = 0;
  for (size_t i = 0; i < told.steps.size(); ++i) {
    const double one = price_of_step(workflow->steps[i], told.steps[i], config.models.rules);
    price += one;
    steps[told.steps[i].id] = shown(told.steps[i], one);
    if (!options.json) print_data(line_of(told.steps[i], one));
  }
  if (options.json) {
    json::Object out{{"workflow", workflow->id},   {"runs", history.runs},
                     {"seconds", told.seconds},    {"prompt_tokens", told.prompt},
                     {"generated_tokens", told.generated}, {"unknown_steps", told.unknown},
                     {"steps", std::move(steps)}};
    if (price > 0) out["price"] = price;
    print_data(json::dump(out, {.spaces = true, .indent = 2}));
    return ok_status();
  }
  print_data(fmt::format("about {:.2f} s, {} prompt and {} generated tokens{}{}", told.seconds,
                         told.prompt, told.generated,
                         price > 0 ? fmt::format(", price {:.6f}", price) : "",
                         told.unknown > 0 ? fmt::format("; {} steps take nobody knows how long",
                                                        told.unknown)
                                          : ""));
  say(history.runs > 0 ? fmt::format("from {} earlier runs", history.runs)
                       : "it has never run here: tokens are the most that its limits allow");
  return ok_status();
}

}  // namespace

int run_plan(const PlanOptions& options) {
  const Status done = plan(options);
  if (done.ok()) return kExitOk;
  say_error(done.error());
  if (done.error().code == "E0020") return kExitNotFound;
  return done.error().code.starts_with("E04") ? kExitFailed : kExitConfiguration;
}

}  // namespace weft::cli
