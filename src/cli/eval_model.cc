// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "base/env.h"
#include "base/digest.h"
#include "base/strings.h"
#include "cli/eval_subject.h"
#include "cli/interrupt.h"
#include "cli/json_argument.h"
#include "cli/thinking_flags.h"

namespace weft::cli {
namespace {

using backend::ChatRequest;
using backend::ChatResult;

constexpr int64_t kMaxTokens = 512;  // of one answer, unless --max-tokens says otherwise

std::string prompt_of(const std::string& form, std::string_view input) {
  const size_t at = form.find("{}");
  return at == std::string::npos ? form
                                 : form.substr(0, at) + std::string(input) + form.substr(at + 2);
}

Result<ChatRequest> case_request(const EvalOptions& options, const eval::Case& item,
                                 const json::Value& schema) {
  ChatRequest request;
  request.model = options.model.empty() ? "default" : options.model;
  request.thinking = TRY(thinking_of_flags(options.think, options.no_think)).mode;
  request.max_tokens = options.max_tokens.value_or(kMaxTokens);
  request.temperature = options.temperature.value_or(0);
  request.seed = options.seed;
  request.tools = item.tools;
  request.logprobs = true;
  request.output_schema = schema;
  if (!options.system.empty()) {
    request.messages.push_back(json::Object{{"role", "system"}, {"content", options.system}});
  }
  for (const json::Value& message : item.messages) request.messages.push_back(message);
  if (!item.input.is_null()) {
    if (!item.input.is_string()) {
      return make_error("E0923",
                        fmt::format("{}: a model takes text or messages, found an object as input",
                                    item.place),
                        "give it to a workflow: --workflow FILE");
    }
    request.messages.push_back(json::Object{
        {"role", "user"},
        {"content", prompt_of(options.prompt, std::string_view(item.input.as_string()))}});
  }
  return request;
}

eval::Answer answer_of(Result<ChatResult> result) {
  eval::Answer answer;
  if (!result.ok()) {
    answer.error = std::move(result).error();
    return answer;
  }
  answer = eval::answer_of_text(result->content);
  answer.tool_calls = std::move(result->tool_calls);
  answer.tokens_prompt = result->tokens.prompt;
  answer.tokens_reasoning = result->tokens.reasoning;
  answer.tokens_answer = result->tokens.answer;
  eval::Answer::Spelling spelling{result->content, {}};
  for (backend::GeneratedToken& token : result->generated) {
    spelling.tokens.push_back({std::move(token.bytes), token.logprob});
  }
  answer.spellings.push_back(std::move(spelling));
  return answer;
}

// What had come when the case was stopped is no answer; its tokens count.
eval::Answer stopped_answer(eval::Answer came, Error why) {
  eval::Answer answer;
  answer.error = std::move(why);
  answer.tokens_prompt = came.tokens_prompt;
  answer.tokens_reasoning = came.tokens_reasoning;
  answer.tokens_answer = came.tokens_answer;
  return answer;
}

// Answers arrive on the backend's threads and are scored by the one that waits.
class Inbox {
 public:
  struct Arrival {
    size_t index;
    Result<ChatResult> result;
    int64_t at_ns;
  };
  void put(size_t index, Result<ChatResult> result) {
    const int64_t now = real_env().mono_ns();
    const std::lock_guard lock(mutex_);
    arrived_.push_back({index, std::move(result), now});
    changed_.notify_one();
  }
  // Waits a moment; nothing if none came.
  std::optional<Arrival> take() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(50), [this] { return !arrived_.empty(); });
    if (arrived_.empty()) return std::nullopt;
    Arrival first = std::move(arrived_.front());
    arrived_.pop_front();
    return first;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Arrival> arrived_;
};

// The cases of one evaluation on their way through a model. On one thread but for the inbox.
class Questions {
 public:
  Questions(const EvalOptions& options, const std::vector<eval::Case>& cases,
            std::vector<ChatRequest> requests, backend::Backend& backend, const OnCase& on_case)
      : options_(options), cases_(cases), requests_(std::move(requests)), backend_(backend),
        on_case_(on_case), limit_s_(case_limit_s(options)), results_(cases.size()) {
    CHECK(requests_.size() == cases.size());
  }

  void ask_all(Evaluated& out) {
    const Interrupt interrupt;
    const auto parallel = static_cast<size_t>(options_.parallel);
    while (done_ < cases_.size() && !out.interrupted) {
      for (; next_ < cases_.size() && next_ - done_ < parallel; ++next_) ask(next_);
      if (auto arrival = inbox_->take()) take(std::move(*arrival), out);
      stop_late();
      out.interrupted = interrupt.seen();  // calls in progress end with the backend
    }
    out.interrupted = out.interrupted && done_ < cases_.size();
    out.results = ended_cases(std::move(results_));
    if (out.subject.model.empty()) {
      out.subject.model = join(std::vector<std::string>(models_.begin(), models_.end()), ", ");
      out.subject.fingerprint = fingerprint_;
    }
  }

 private:
  struct Asked {
    std::shared_ptr<backend::ChatCall> call;
    int64_t begin_ns = 0;
    bool stopped = false;
  };

  void ask(size_t index) {
    Asked& asked = asked_[index];
    asked.begin_ns = real_env().mono_ns();
    asked.call = backend_.chat(std::move(requests_[index]),
                               {{}, [inbox = inbox_, index](Result<ChatResult> result) {
                                  inbox->put(index, std::move(result));
                                }});
  }

  void stop_late() {
    if (!limit_s_) return;
    const int64_t now = real_env().mono_ns();
    for (auto& [index, asked] : asked_) {
      if (asked.stopped || static_cast<double>(now - asked.begin_ns) * 1e-9 < *limit_s_) continue;
      asked.stopped = true;
      asked.call->cancel();
    }
  }

  void take(Inbox::Arrival arrival, Evaluated& out) {
    const auto at = asked_.find(arrival.index);
    CHECK(at != asked_.end(), "case {} was answered twice", arrival.index);
    const eval::Case& item = cases_[arrival.index];
    const bool whole = arrival.result.ok() && arrival.result->finish_reason != "cancelled";
    const double seconds = static_cast<double>(arrival.at_ns - at->second.begin_ns) * 1e-9;
    if (whole) {
      models_.insert(arrival.result->evidence.model);
      fingerprint_ = arrival.result->evidence.system_fingerprint;
    }
    eval::Answer answer = answer_of(std::move(arrival.result));
    if (limit_s_ && seconds >= *limit_s_) {  // stopped, or it was whole before we looked
      answer = stopped_answer(std::move(answer), case_too_long(item, *limit_s_));
    }
    answer.seconds = seconds;
    if (answer.error && out.first_error.empty()) out.first_error = answer.error->text();
    asked_.erase(at);
    results_[arrival.index] = eval::score(item, answer);
    on_case_(*results_[arrival.index]);
    ++done_;
  }

  const EvalOptions& options_;
  const std::vector<eval::Case>& cases_;
  std::vector<ChatRequest> requests_;
  backend::Backend& backend_;
  const OnCase& on_case_;
  const std::optional<double> limit_s_;
  const std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  std::map<size_t, Asked> asked_;  // and not answered
  CaseResults results_;
  size_t next_ = 0, done_ = 0;
  std::set<std::string> models_;  // that answered
  std::string fingerprint_;
};

}  // namespace

Result<Evaluated> evaluate_model(const EvalOptions& options, const std::vector<eval::Case>& cases,
                                 const OnCase& on_case) {
  json::Value schema;
  if (!options.schema.empty()) {
    schema = TRY(json_of_file("--schema", options.schema));
  }
  std::vector<ChatRequest> requests;
  for (const eval::Case& item : cases) {
    requests.push_back(TRY(case_request(options, item, schema)));
  }
  const Config config = TRY(load_config(options.grants.config));
  const auto router = TRY(eval_models(options, config));
  Evaluated out;
  out.subject.kind = "model";
  out.subject.name = requests.at(0).model;
  if (const auto model = TRY(eval_model(*router, out.subject.name))) {
    out.subject.model = model->instance->name;
    out.subject.fingerprint = model->instance->fingerprint();
  }
  out.subject.settings = {
      {"thinking", options.think ? "on" : options.no_think ? "off" : "auto"},
      {"system", options.system},
      {"prompt", options.prompt},
      {"temperature", json::number_text(options.temperature.value_or(0))},
      {"max_tokens", fmt::format("{}", options.max_tokens.value_or(kMaxTokens))},
      {"seed", fmt::format("{}", options.seed)}};
  const ModelFlags& flags = options.grants.model;
  if (!flags.kv.empty()) out.subject.settings.emplace_back("kv", flags.kv);
  if (!flags.numerics.empty()) out.subject.settings.emplace_back("numerics", flags.numerics);
  if (!options.schema.empty()) {
    out.subject.settings.emplace_back("schema", sha256_hex(json::dump(schema)));
  }
  if (const auto limit_s = case_limit_s(options)) {
    out.subject.settings.emplace_back("seconds for a case", fmt::format("{:g}", *limit_s));
  }
  Questions(options, cases, std::move(requests), *router, on_case).ask_all(out);
  return out;
}

}  // namespace weft::cli
