// SPDX-License-Identifier: Apache-2.0
#include "cli/plan.h"

#include "backend/routing.h"
#include "base/file.h"
#include "base/strings.h"
#include "cli/config_file.h"
#include "cli/exit.h"
#include "cli/machine_speed.h"
#include "cli/plan_models.h"
#include "cli/run_session.h"
#include "cli/terminal.h"
#include "runtime/model_instance.h"
#include "worker/run_reader.h"
#include "worker/run_report.h"
#include "workflow/forecast.h"
#include "workflow/loader.h"

namespace weft::cli {
namespace {

constexpr int64_t kRunsRead = 20;

// As the engine names the model that is part of the program.
constexpr std::string_view kEmbeddedName = "weft-mini (embedded)";

// Of all answers of one model that are known.
struct CallTimes {
  double prompt = 0, tokens = 0;  // of the prompts that were read, and generated
  double prefill_seconds = 0, decode_seconds = 0;
};
struct History {
  std::map<std::string, workflow::StepHistory> steps;
  std::map<std::string, CallTimes> models;  // by the name that the rules chose, else the engine's
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

// The name under which somebody asked for the model; else its own.
std::string model_of(const worker::AiCallRow& call) {
  const auto parsed = json::parse(call.route);
  const json::Object* both = !call.route.empty() && parsed.ok() ? parsed->if_object() : nullptr;
  for (const auto& [part, name] : {std::pair("route", "model"), std::pair("remote", "backend")}) {
    const json::Value* inner = both != nullptr ? both->if_contains(part) : nullptr;
    const json::Object* object = inner != nullptr ? inner->if_object() : nullptr;
    const json::Value* found = object != nullptr ? object->if_contains(name) : nullptr;
    if (found != nullptr && found->is_string()) return std::string(found->get_string());
  }
  return call.model;
}

Status add_calls(store::Db& db, const std::string& run, std::map<std::string, CallTimes>& models) {
  for (const worker::AiCallRow& call : TRY(worker::ai_calls(db, run))) {
    CallTimes& times = models[model_of(call)];
    times.prompt += static_cast<double>(call.tokens_prompt);
    times.tokens += static_cast<double>(call.tokens_reasoning + call.tokens_answer);
    times.prefill_seconds += static_cast<double>(call.prefill_us) / 1e6;
    times.decode_seconds += static_cast<double>(call.decode_us) / 1e6;
  }
  return ok_status();
}

Result<History> history_of(const StoreFlags& store, const std::string& workflow) {
  History out;
  auto db = TRY(open_store(store));
  const auto runs = TRY(worker::list_runs(
      *db, {.status = "succeeded", .workflow = workflow, .limit = kRunsRead}));
  for (const worker::RunSummary& run : runs) {
    const json::Object document = TRY(worker::read_run_document(*db, run.id));
    for (const auto& [id, step] : document.at("steps").as_object()) {
      if (!step.is_object()) continue;
      const json::Value* status = step.as_object().if_contains("status");
      if (status != nullptr && *status == "succeeded") add(out.steps[id], step.as_object());
    }
    out.runs += 1;
  }
  // A model is as fast for others' steps.
  for (const worker::RunSummary& run :
       TRY(worker::list_runs(*db, {.status = "succeeded", .limit = kRunsRead}))) {
    TRY(add_calls(*db, run.id, out.models));
  }
  return out;
}

// What is known of how fast models answer: measured in this store, else guessed for those of this
// machine.
class Speeds {
 public:
  Speeds(const ModelsConfig& config, const History& history)
      : config_(config), history_(history) {}

  std::map<std::string, backend::Measured> measured() const {
    std::map<std::string, backend::Measured> out;
    for (const auto& [name, rule] : config_.rules.models) {
      if (const CallTimes* times = times_of(name)) {
        out[name].tokens_per_second = times->tokens / times->decode_seconds;
      }
    }
    return out;
  }

  // Of the slowest of those that may answer.
  workflow::StepSpeed of(const PlannedModel& planned) {
    workflow::StepSpeed out;
    for (const std::string& name : planned.models) {
      const workflow::StepSpeed one = of(name);
      if (one.tokens_per_second == 0) return limited({}, planned);
      const bool slower = one.tokens_per_second < out.tokens_per_second;
      if (out.tokens_per_second == 0 || slower) out = one;
    }
    return limited(out, planned);
  }
  double bytes_per_second() const { return bytes_per_second_; }  // 0: not needed so far

 private:
  static workflow::StepSpeed limited(workflow::StepSpeed out, const PlannedModel& planned) {
    out.max_tokens = planned.max_tokens;
    if (planned.adaptive) out.answers = 2;
    return out;
  }

  // The name that the rules know, and the one under which the engine knows its files.
  const CallTimes* times_of(const std::string& name) const {
    for (const std::string& key : {name, source_of(name).value_or(name)}) {
      const auto found = history_.models.find(key.empty() ? std::string(kEmbeddedName) : key);
      if (found == history_.models.end()) continue;
      if (found->second.tokens > 0 && found->second.decode_seconds > 0) return &found->second;
    }
    return nullptr;
  }

  std::optional<std::string> source_of(const std::string& name) const {
    if (config_.remote.contains(name)) return std::nullopt;
    const auto known = config_.local.find(name);
    if (known != config_.local.end()) return known->second;
    if (runtime::means_embedded_model(name)) return "";
    return file_exists(name) ? std::optional<std::string>(name) : std::nullopt;
  }

  workflow::StepSpeed of(const std::string& name) {
    if (const CallTimes* times = times_of(name)) {
      workflow::StepSpeed out{.tokens_per_second = times->tokens / times->decode_seconds};
      const bool read = times->prompt > 0 && times->prefill_seconds > 0;
      if (read) out.prompt_per_second = times->prompt / times->prefill_seconds;
      return out;
    }
    const auto source = source_of(name);
    return source ? guessed(*source) : workflow::StepSpeed();
  }

  // Each token reads all weights once; tokens of a prompt are read together.
  workflow::StepSpeed guessed(const std::string& source) {
    constexpr double kShareOfBandwidth = 0.6, kTokenSeconds = 0.0005, kPromptFaster = 8;
    auto files = source.empty() ? runtime::embedded_model_files()
                                : runtime::model_files_named(source);
    if (!files.ok()) return {};
    const auto needed = runtime::memory_needed(*files, {});
    if (!needed.ok()) return {};
    if (bytes_per_second_ == 0) bytes_per_second_ = memory_bytes_per_second();
    const double seconds = kTokenSeconds + static_cast<double>(needed->weight_bytes) /
                                               (kShareOfBandwidth * bytes_per_second_);
    return {.prompt_per_second = kPromptFaster / seconds,
            .tokens_per_second = 1 / seconds,
            .estimated = true};
  }

  const ModelsConfig& config_;
  const History& history_;
  double bytes_per_second_ = 0;
};

struct Plan {
  workflow::Forecast told;
  std::vector<PlannedModel> models;  // by step
  std::vector<double> prices;        // by step
  double price = 0;
};

Plan plan_of(const workflow::Workflow& workflow, const History& history,
             const backend::RoutingConfig& rules, Speeds& speeds) {
  Plan out;
  const workflow::Forecast tokens = workflow::forecast(workflow, history.steps, {});
  std::map<std::string, workflow::StepSpeed> by_step;
  for (size_t i = 0; i < workflow.steps.size(); ++i) {
    const workflow::Step& step = workflow.steps[i];
    out.models.emplace_back();
    if (!tokens.steps[i].thinks) continue;
    out.models[i] = planned_model(workflow, step, tokens.steps[i], rules, speeds.measured());
    if (!tokens.steps[i].measured) by_step[step.id] = speeds.of(out.models[i]);
  }
  out.told = workflow::forecast(workflow, history.steps, by_step);
  for (size_t i = 0; i < out.models.size(); ++i) {
    out.prices.push_back(planned_price(out.models[i], out.told.steps[i], rules));
    out.price += out.prices[i];
  }
  return out;
}

json::Object shown(const workflow::StepForecast& step, const PlannedModel& model, double price) {
  json::Object out{{"type", step.type},
                   {"measured", step.measured},
                   {"prompt_tokens", step.prompt},
                   {"generated_tokens", step.generated}};
  out["seconds"] = step.seconds > 0 || step.measured ? json::Value(step.seconds) : json::Value();
  if (step.estimated) out["estimated"] = true;
  if (step.loops) out["per"] = "item";
  if (step.waits) out["waits"] = true;
  json::Array models;
  for (const std::string& name : model.models) models.emplace_back(name);
  if (step.thinks) out["models"] = std::move(models);
  if (!model.note.empty()) out["note"] = model.note;
  if (price > 0) out["price"] = price;
  return out;
}

std::string line_of(const workflow::StepForecast& step, const PlannedModel& model, double price) {
  std::string out = fmt::format("{:<24}  {:<10}", step.id, step.type);
  out += step.waits ? fmt::format("{:>12}", "waits")
         : step.seconds > 0 || step.measured
             ? fmt::format("{:>10.2f} s", step.seconds)
             : fmt::format("{:>12}", "-");
  if (step.estimated) out += " (estimated)";
  if (step.thinks) {
    out += fmt::format("  {} prompt, {}{} generated tokens", step.prompt,
                       step.measured ? "" : "at most ", step.generated);
    const char* between = model.adaptive ? ", then perhaps " : " or ";
    if (!model.models.empty()) out += " of " + join(model.models, between);
  }
  if (price > 0) out += fmt::format("  price {:.6f}", price);
  if (step.loops) out += "  an item";
  if (!model.note.empty()) out += "  (" + model.note + ")";
  return out;
}

void print_plan(const Plan& plan, const History& history, double bytes_per_second) {
  const workflow::Forecast& told = plan.told;
  for (size_t i = 0; i < told.steps.size(); ++i) {
    print_data(line_of(told.steps[i], plan.models[i], plan.prices[i]));
  }
  const std::string beside =
      told.unknown == 0   ? ""
      : told.unknown == 1 ? ", and 1 step of which nobody knows how long it takes"
                          : fmt::format(", and {} steps of which nobody knows how long they take",
                                        told.unknown);
  print_data(fmt::format("about {:.2f} s{}; {} prompt and {} generated tokens{}", told.seconds,
                         beside, told.prompt, told.generated,
                         plan.price > 0 ? fmt::format(", price {:.6f}", plan.price) : ""));
  say(history.runs > 0 ? fmt::format("from {} earlier runs", history.runs)
                       : "it has never run here: tokens are the most that its limits allow, and "
                         "seconds what these take");
  if (bytes_per_second == 0) return;
  say(fmt::format("estimated from the size of the weights and this machine's memory ({:.1f} GB/s): "
                  "a run will tell", bytes_per_second / 1e9));
}

Status plan(const PlanOptions& options) {
  const auto workflow = TRY(workflow::load_or_error(TRY(read_file(options.file)), options.file));
  const Config config = TRY(load_config(options.config));
  const History history = TRY(history_of(options.store, workflow->id));
  Speeds speeds(config.models, history);
  const Plan made = plan_of(*workflow, history, config.models.rules, speeds);
  if (!options.json) {
    print_plan(made, history, speeds.bytes_per_second());
    return ok_status();
  }
  json::Object steps;
  for (size_t i = 0; i < made.models.size(); ++i) {
    const workflow::StepForecast& step = made.told.steps[i];
    steps[step.id] = shown(step, made.models[i], made.prices[i]);
  }
  const workflow::Forecast& told = made.told;
  json::Object out{{"workflow", workflow->id},   {"runs", history.runs},
                   {"seconds", told.seconds},    {"prompt_tokens", told.prompt},
                   {"generated_tokens", told.generated}, {"unknown_steps", told.unknown},
                   {"steps", std::move(steps)}};
  if (made.price > 0) out["price"] = made.price;
  print_data(json::dump(out, {.spaces = true, .indent = 2}));
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
