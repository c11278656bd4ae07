// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "base/env.h"
#include "base/file.h"
#include "base/digest.h"
#include "base/strings.h"
#include "cli/eval_subject.h"
#include "cli/interrupt.h"
#include "cli/thinking_flags.h"

namespace weft::cli {
namespace {

using backend::ChatRequest;
using backend::ChatResult;

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
  request.max_tokens = options.max_tokens;
  request.temperature = options.temperature;
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

eval::Answer answer_of(Result<ChatResult> result, double seconds) {
  eval::Answer answer;
  if (result.ok()) {
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
  } else {
    answer.error = std::move(result).error();
  }
  answer.seconds = seconds;
  return answer;
}

// Answers arrive on the backend's threads and are scored by the one that waits.
class Inbox {
 public:
  struct Arrival {
    size_t index;
    eval::Answer answer;
  };
  void put(size_t index, eval::Answer answer) {
    const std::lock_guard lock(mutex_);
    arrived_.push_back({index, std::move(answer)});
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

}  // namespace

Result<Evaluated> evaluate_model(const EvalOptions& options, const std::vector<eval::Case>& cases,
                                 const OnCase& on_case) {
  json::Value schema;
  if (!options.schema.empty()) {
    auto parsed = json::parse(TRY(read_file(options.schema)));
    if (!parsed.ok()) return in_context(std::move(parsed).error(), options.schema);
    schema = std::move(parsed).value();
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
      {"temperature", json::number_text(options.temperature)},
      {"max_tokens", fmt::format("{}", options.max_tokens)},
      {"seed", fmt::format("{}", options.seed)}};
  if (!options.grants.kv.empty()) out.subject.settings.emplace_back("kv", options.grants.kv);
  if (!options.schema.empty()) {
    out.subject.settings.emplace_back("schema", sha256_hex(json::dump(schema)));
  }
  CaseResults results(cases.size());
  const auto inbox = std::make_shared<Inbox>();

  const Interrupt interrupt;
  size_t next = 0, done = 0;
  const auto parallel = static_cast<size_t>(options.parallel);
  while (done < cases.size()) {
    if (interrupt.seen()) {
      out.interrupted = true;  // calls in progress end with the backend
      break;
    }
    for (; next < cases.size() && next - done < parallel; ++next) {
      const int64_t begin = real_env().mono_ns();
      router->chat(std::move(requests[next]),
                   {{}, [inbox, begin, index = next](Result<ChatResult> result) {
                      const int64_t ns = real_env().mono_ns() - begin;
                      inbox->put(index,
                                 answer_of(std::move(result), static_cast<double>(ns) * 1e-9));
                    }});
    }
    auto arrival = inbox->take();
    if (!arrival) continue;
    if (arrival->answer.error && out.first_error.empty()) {
      out.first_error = arrival->answer.error->text();
    }
    results[arrival->index] = eval::score(cases[arrival->index], arrival->answer);
    on_case(*results[arrival->index]);
    ++done;
  }
  out.results = ended_cases(std::move(results));
  return out;
}

}  // namespace weft::cli
