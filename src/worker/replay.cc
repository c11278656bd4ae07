// SPDX-License-Identifier: Apache-2.0
#include "worker/replay.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <map>

#include "base/strings.h"
#include "worker/folded_run.h"
#include "workflow/render.h"

namespace weft::worker {
namespace {

using workflow::Execution;
using AttemptKey = std::pair<std::string, uint32_t>;

constexpr std::chrono::milliseconds kStopPoll(50);

// Where two lists of little-endian int32 part, as "token 3 of 20".
std::string first_difference(std::string_view what, const std::string& then,
                             const std::string& now) {
  if (then == now) return "";
  size_t i = 0;
  while (i < std::min(then.size(), now.size()) && then[i] == now[i]) ++i;
  return fmt::format("{} differ from token {} on ({} then, {} now)", what, i / 4,
                     then.size() / 4, now.size() / 4);
}

// "fast" of "weft-fast-native-kvf16-3f2a9c01d2e4".
std::string_view numerics_in(std::string_view fingerprint) {
  const std::vector<std::string_view> parts = split(fingerprint, '-');
  return parts.size() > 1 ? parts[1] : fingerprint;
}

// Why the same request may have had another answer: other numerics, or another kind of cache.
std::string made_otherwise(const std::string& then, const std::string& now) {
  if (then == now) return "";
  const std::string_view was = numerics_in(then);
  const std::string_view is = numerics_in(now);
  if (was == is) return "; made by " + then;
  return fmt::format("; other numerics: {} then, {} now (--numerics {})", was, is, was);
}

std::string compare(const AiCallRow& then, const AiCallRow& now) {
  if (then.model_hash != now.model_hash) {
    return fmt::format("other weights: {:.12}… then, {:.12}… now", then.model_hash,
                       now.model_hash);
  }
  if (then.template_hash != now.template_hash) return "another chat template";
  std::string prompt = first_difference("prompts", then.prompt_ids, now.prompt_ids);
  if (!prompt.empty()) return prompt;
  if (then.grammar != now.grammar) return "another grammar: " + then.grammar + " then";
  if (then.sampler != now.sampler) return "another sampler: " + then.sampler + " then";
  const std::string output = first_difference("answers", then.output_ids, now.output_ids);
  if (!output.empty()) return output + made_otherwise(then.fingerprint, now.fingerprint);
  return then.finish_reason == now.finish_reason ? "" : "it ended for another reason";
}

class Replay {
 public:
  Replay(const StoredRun& stored, Services& services, std::vector<AiCallRow> calls,
         const std::atomic<bool>* stop)
      : stored_(stored), services_(services), calls_(std::move(calls)), stop_(stop) {}

  Result<std::vector<ReplayedCall>> run() {
    workflow_ = TRY(stored_definition(stored_));
    definitions_ = TRY(pinned_definitions(stored_));
    context_ = TRY(fold_run(stored_)).context;
    const workflow::Planner planner(workflow_);
    std::map<AttemptKey, std::vector<const AiCallRow*>> wanted;
    for (const AiCallRow& call : calls_) wanted[{call.path, call.attempt}].push_back(&call);
    workflow::State state;
    for (const StoredEvent& row : stored_.events) {
      const workflow::Event event = TRY(workflow::event_from_json(TRY(json::parse(row.body))));
      // The moment before its result: the state it was asked in, with the failures it had then.
      if (const auto key = ended_attempt(event); key && wanted.contains(*key)) {
        if (stopped()) return make_error("E0713", "the replay was stopped: weft is ending");
        replay_attempt(planner, state, *key, with_cut_off(planner, state, *key, wanted));
      }
      TRY(planner.apply(state, event));
    }
    for (const auto& [key, rows] : wanted) {
      for (const AiCallRow* row : rows) add(*row, "its attempt has no result in the journal");
    }
    return std::move(replayed_);
  }

 private:
  static std::optional<AttemptKey> ended_attempt(const workflow::Event& event) {
    if (const auto* good = std::get_if<workflow::AttemptSucceeded>(&event.body)) {
      return AttemptKey{good->path, good->attempt};
    }
    if (const auto* bad = std::get_if<workflow::AttemptFailed>(&event.body)) {
      return AttemptKey{bad->path, bad->attempt};
    }
    return std::nullopt;
  }
  // Takes the calls of the attempt out of `wanted`; where it went on behind the notes of attempts
  // that were cut off, their calls too.
  using Wanted = std::map<AttemptKey, std::vector<const AiCallRow*>>;
  static std::vector<const AiCallRow*> with_cut_off(const workflow::Planner& planner,
                                                    const workflow::State& state,
                                                    const AttemptKey& key, Wanted& wanted) {
    const auto id = planner.find(key.first);
    const Execution* execution = id ? workflow::find_execution(state, *id) : nullptr;
    const bool noted = execution != nullptr && execution->notes != nullptr;
    std::vector<const AiCallRow*> calls;
    for (uint32_t attempt = noted ? 1 : key.second; attempt <= key.second; ++attempt) {
      const auto found = wanted.find({key.first, attempt});
      if (found == wanted.end()) continue;
      calls.insert(calls.end(), found->second.begin(), found->second.end());
      wanted.erase(found);
    }
    return calls;
  }

  void add(const AiCallRow& call, std::string difference) {
    replayed_.push_back({call.path, call.attempt, call.n, call.model,
                         static_cast<int64_t>(call.output_ids.size() / 4),
                         std::move(difference), ""});
  }

  // Who answered instead of this process; empty: nobody.
  static std::string remote_of(const AiCallRow& call) {
    const auto route = json::parse(call.route);
    if (call.route.empty() || !route.ok() || !route->is_object()) return "";
    const json::Value* remote = route->get_object().if_contains("remote");
    if (remote == nullptr || !remote->is_object()) return "";
    const json::Value* name = remote->get_object().if_contains("backend");
    return name != nullptr && name->is_string() ? std::string(name->get_string()) : "remote";
  }
  // What a router had decided for the attempt; empty: there was none. In `turns` what it decided
  // for each call, for steps that ask many times.
  static json::Object pinned_route_of(const std::vector<const AiCallRow*>& then) {
    json::Object out;
    json::Array turns;
    for (const AiCallRow* call : then) {
      turns.emplace_back(json::Object());
      const auto kept = json::parse(call->route);
      if (call->route.empty() || !kept.ok() || !kept->is_object()) continue;
      const json::Value* route = kept->get_object().if_contains("route");
      if (route == nullptr || !route->is_object()) continue;
      turns.back() = *route;
      if (out.empty()) {
        out = route->get_object();
        continue;
      }
      const json::Value* budget = route->get_object().if_contains("thinking_budget");
      const json::Value* hurries = route->get_object().if_contains("hurries");
      if (budget != nullptr) out["second_budget"] = *budget;
      if (hurries != nullptr) out["second_hurries"] = *hurries;
    }
    if (!out.empty()) out["turns"] = std::move(turns);
    return out;
  }
  // What another server has said cannot be said again: it is neither the same nor different.
  bool keep_remote(const std::vector<const AiCallRow*>& then) {
    const bool remote = std::ranges::any_of(
        then, [](const AiCallRow* call) { return !remote_of(*call).empty(); });
    if (!remote) return false;
    for (const AiCallRow* call : then) {
      add(*call, "");
      const std::string who = remote_of(*call);
      replayed_.back().remote = who.empty() ? "beside a remote answer" : who;
    }
    return true;
  }

  void replay_attempt(const workflow::Planner& planner, const workflow::State& state,
                      const AttemptKey& key, const std::vector<const AiCallRow*>& then) {
    if (keep_remote(then)) return;
    const json::Object route = pinned_route_of(then);
    const auto outcome = act_again(planner, state, key, route);
    if (!outcome.ok()) {
      for (const AiCallRow* call : then) add(*call, outcome.error().text());
      return;
    }
    const std::vector<AiCallRow>* now = nullptr;
    if (const auto* result = std::get_if<StepResult>(&*outcome)) now = &result->ai_calls;
    if (const auto* child = std::get_if<StepChild>(&*outcome)) now = &child->ai_calls;
    const auto* failure = std::get_if<StepFailure>(&*outcome);
    if (failure != nullptr) now = &failure->ai_calls;
    for (size_t i = 0; i < then.size(); ++i) {
      if (now != nullptr && i < now->size()) {
        add(*then[i], compare(*then[i], (*now)[i]));
      } else {
        add(*then[i], failure != nullptr ? failure->error.text() : "no answer this time");
      }
    }
  }

  Result<StepOutcome> act_again(const workflow::Planner& planner, const workflow::State& state,
                                const AttemptKey& key, const json::Object& route) {
    const auto id = planner.find(key.first);
    const Execution* execution = id ? workflow::find_execution(state, *id) : nullptr;
    if (execution == nullptr || execution->attempt != key.second) {
      return make_error("E0604", fmt::format("attempt {} of {} is not where the journal says",
                                             key.second, quoted(key.first)));
    }
    workflow::Command command;
    command.path = key.first;
    command.attempt = key.second;
    command.alternative = execution->alternative;
    const json::Object no_secrets;
    auto rendered = TRY(workflow::render_parameters({planner, state, no_secrets}, command));
    const workflow::Step& step = planner.step(key.first, execution->alternative);
    const StepType* type = find_step_type(step.type);
    if (type == nullptr) return unknown_step_type(step.type);
    StepContext context;
    context.run = state.run;
    context.path = key.first;
    context.attempt = key.second;
    context.seed = state.seed;
    context.alternative = execution->alternative;
    context.failures = execution->failures;
    context.timeout_us = step.timeout_us;
    context.effect_key = rendered.idempotency_key;
    context.now_us = state.now_us;
    context.deadline_us = execution->deadline_us;
    context.parameters = std::move(rendered.parameters.as_object());
    context.workflow = workflow_;
    context.run_context = &context_;
    context.definitions = &definitions_;
    context.services = &services_;
    context.on_progress = [](StepProgress) {};
    context.note = [](StepNote) {};
    context.notes = execution->notes.get();
    context.pinned = &route;
    context.input = &state.input;
    context.env = &state.env;
    if (type->effect(context.parameters, step) != EffectClass::kPure) {
      return make_error(
          "E0618", fmt::format("{} acts on the world: it is not done again", quoted(key.first)),
          "only decisions of models in this process can be replayed");
    }
    // Shared: a call that is given up may still answer.
    auto answer = std::make_shared<std::promise<StepOutcome>>();
    std::future<StepOutcome> future = answer->get_future();
    Started started = type->replay(std::move(context), [answer](StepOutcome outcome) {
      answer->set_value(std::move(outcome));
    });
    if (started.outcome) return std::move(*started.outcome);
    while (stop_ != nullptr && future.wait_for(kStopPoll) != std::future_status::ready) {
      if (!stopped()) continue;
      started.activity->cancel();
      break;
    }
    return future.get();
  }

  bool stopped() const { return stop_ != nullptr && stop_->load(); }

  const StoredRun& stored_;
  Services& services_;
  std::vector<AiCallRow> calls_;
  const std::atomic<bool>* stop_;
  std::shared_ptr<const workflow::Workflow> workflow_;
  Definitions definitions_;
  json::Object context_;
  std::vector<ReplayedCall> replayed_;
};

}  // namespace

Result<std::vector<ReplayedCall>> replay_run(store::Db& db, std::string_view run,
                                             Services& services,
                                             const std::atomic<bool>* stop) {
  const StoredRun stored = TRY(load_run(db, run));
  return Replay(stored, services, TRY(ai_calls(db, run)), stop).run();
}

}  // namespace weft::worker
