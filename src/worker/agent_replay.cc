// SPDX-License-Identifier: Apache-2.0
#include "worker/agent_replay.h"

#include <mutex>

#include "worker/llm_request.h"

namespace weft::worker {
namespace {

struct Turn {
  json::Object message;
  json::Array results;  // tool messages
  int64_t tokens = 0;
  int64_t reasoning = 0;
};

int64_t note_integer(const json::Object& note, std::string_view name) {
  const json::Value* value = note.if_contains(name);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

// The results of a turn stand in the order of its calls, whenever each came.
void add_result(Turn& turn, const json::Object& note) {
  const json::Value* text = note.if_contains("output");
  if (text == nullptr) text = note.if_contains("error");
  const json::Value* calls = turn.message.if_contains("tool_calls");
  if (text == nullptr || calls == nullptr || !calls->is_array()) return;
  const auto index = static_cast<size_t>(note_integer(note, "call"));
  if (index >= calls->get_array().size()) return;
  const json::Object& call = calls->get_array()[index].as_object();
  turn.results.resize(calls->get_array().size());
  turn.results[index] = json::Object{{"role", "tool"},
                                     {"tool_call_id", call.at("id")},
                                     {"name", call.at("function").as_object().at("name")},
                                     {"content", *text}};
}

std::vector<Turn> turns_of(const json::Array* notes) {
  std::vector<Turn> turns;
  for (const json::Value& one : notes != nullptr ? *notes : json::Array()) {
    const json::Object* note = one.if_object();
    if (note == nullptr) continue;
    if (const json::Value* message = note->if_contains("message"); message != nullptr) {
      turns.push_back({message->as_object(),
                       {},
                       note_integer(*note, "tokens"),
                       note_integer(*note, "reasoning_tokens")});
    } else if (!turns.empty()) {
      add_result(turns.back(), *note);
    }
  }
  return turns;
}

class AgentReplay final : public std::enable_shared_from_this<AgentReplay> {
 public:
  AgentReplay(AgentOptions options, const StepContext& context, StepDone done)
      : options_(std::move(options)), backend_(*context.services->backend),
        turns_(turns_of(context.notes)), done_(std::move(done)) {}

  void next() {
    backend::ChatCallbacks callbacks;
    callbacks.on_done = [self = shared_from_this()](Result<backend::ChatResult> result) {
      self->on_turn(std::move(result));
    };
    backend::ChatRequest request = turn_request(options_, progress_);
    pin_turn(request.route);
    const int turn = progress_.turn;
    auto call = backend_.chat(std::move(request), std::move(callbacks));
    const std::lock_guard lock(mutex_);
    if (turn < turns_heard_) return;  // its end came first
    call_ = std::move(call);
    if (stopped_) call_->cancel();
  }

  // From any thread. The end is still told.
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    if (call_) call_->cancel();
  }

 private:
  // Each turn had a route of its own.
  void pin_turn(backend::RouteWish& route) const {
    const json::Value* turns = route.pinned.if_contains("turns");
    if (turns == nullptr || !turns->is_array()) return;
    const json::Array& each = turns->get_array();
    const json::Value* own = rows_.size() < each.size() ? &each[rows_.size()] : nullptr;
    route.pinned = own != nullptr && own->is_object() ? json::Object(own->get_object())
                                                      : json::Object();
  }

  void on_turn(Result<backend::ChatResult> result) {
    std::shared_ptr<backend::ChatCall> over;  // it holds this replay
    {
      const std::lock_guard lock(mutex_);
      turns_heard_ = progress_.turn + 1;
      over = std::move(call_);
    }
    if (result.ok() && result->finish_reason == "cancelled") {
      result = make_error("E0609", "the model's turn was cancelled");
    }
    if (!result.ok()) {
      return done_(StepFailure{std::move(result).error(), false, 0, std::move(rows_)});
    }
    rows_.push_back(evidence_of(*result));
    const auto turn = static_cast<size_t>(progress_.turn);
    if (turn == turns_.size()) return done_(StepResult{nullptr, std::move(rows_)});
    progress_.messages.push_back(turns_[turn].message);
    for (const json::Value& message : turns_[turn].results) progress_.messages.push_back(message);
    progress_.tokens += turns_[turn].tokens;
    progress_.reasoning += turns_[turn].reasoning;
    ++progress_.turn;
    next();
  }

  const AgentOptions options_;
  backend::Backend& backend_;
  const std::vector<Turn> turns_;
  const StepDone done_;
  AgentProgress progress_;
  std::vector<AiCallRow> rows_;
  std::mutex mutex_;  // guards the rest
  std::shared_ptr<backend::ChatCall> call_;
  int turns_heard_ = 0;
  bool stopped_ = false;
};

class ReplayActivity final : public Activity {
 public:
  explicit ReplayActivity(std::shared_ptr<AgentReplay> replay) : replay_(std::move(replay)) {}
  void cancel() override { replay_->stop(); }

 private:
  std::shared_ptr<AgentReplay> replay_;
};

}  // namespace

std::unique_ptr<Activity> replay_agent(AgentOptions options, const StepContext& context,
                                       StepDone done) {
  auto replay = std::make_shared<AgentReplay>(std::move(options), context, std::move(done));
  replay->next();
  return std::make_unique<ReplayActivity>(std::move(replay));
}

}  // namespace weft::worker
