// SPDX-License-Identifier: Apache-2.0
#include "workflow/forecast.h"

#include <algorithm>

namespace weft::workflow {
namespace {

constexpr int64_t kUsualTokens = 512;        // of an llm step without max_tokens
constexpr int64_t kUsualAgentTokens = 4096;  // of an agent
constexpr int64_t kBytesAToken = 4;

int64_t integer_or(const json::Value& parameters, std::string_view name, int64_t usual) {
  const json::Object* object = parameters.if_object();
  const json::Value* value = object != nullptr ? object->if_contains(name) : nullptr;
  return value != nullptr && value->is_int64() ? value->get_int64() : usual;
}

// What stands in the document of its prompt: what templates add is not known.
int64_t prompt_tokens(const json::Value& parameters) {
  const json::Object* object = parameters.if_object();
  int64_t bytes = 0;
  for (const char* name : {"system", "prompt", "messages", "goal", "output"}) {
    const json::Value* value = object != nullptr ? object->if_contains(name) : nullptr;
    if (value != nullptr) bytes += static_cast<int64_t>(json::dump(*value).size());
  }
  return bytes / kBytesAToken;
}

StepForecast of_step(const Step& step, const std::map<std::string, StepHistory>& history,
                     const StepSpeed& speed) {
  StepForecast out{.id = step.id, .type = step.type};
  out.thinks = step.type == "llm" || step.type == "agent" || step.type == "plan";
  out.waits = timeout_limits_waiting(step) && step.type != "workflow";
  out.loops = !step.for_each().is_null();
  const auto known = history.find(step.id);
  if (known != history.end() && known->second.runs > 0) {
    const StepHistory& past = known->second;
    out.measured = true;
    out.seconds = past.seconds;
    out.prompt = static_cast<int64_t>(past.prompt + 0.5);
    out.generated = static_cast<int64_t>(past.reasoning + past.answer + 0.5);
    return out;
  }
  if (!out.thinks) return out;
  out.prompt = prompt_tokens(step.parameters);
  out.generated = integer_or(step.parameters, "max_tokens",
                             step.type == "agent" ? kUsualAgentTokens : kUsualTokens);
  if (speed.max_tokens > 0) out.generated = std::min(out.generated, speed.max_tokens);
  out.prompt *= speed.answers;
  out.generated *= speed.answers;
  if (speed.tokens_per_second > 0) {
    out.seconds = static_cast<double>(out.generated) / speed.tokens_per_second;
    out.estimated = speed.estimated;
  }
  if (speed.prompt_per_second > 0) {
    out.seconds += static_cast<double>(out.prompt) / speed.prompt_per_second;
  }
  return out;
}

}  // namespace

Forecast forecast(const Workflow& workflow, const std::map<std::string, StepHistory>& history,
                  const std::map<std::string, StepSpeed>& speeds) {
  Forecast out;
  for (const Step& step : workflow.steps) {
    const auto known = speeds.find(step.id);
    const StepSpeed speed = known == speeds.end() ? StepSpeed() : known->second;
    out.steps.push_back(of_step(step, history, speed));
    const StepForecast& one = out.steps.back();
    out.prompt += one.prompt;
    out.generated += one.generated;
    out.unknown += one.waits || (one.thinks && one.seconds == 0) ? 1 : 0;
  }
  // Dependencies may stand behind those that need them: settled once all of theirs are.
  std::vector<double> end(workflow.steps.size(), -1);
  for (size_t settled = 0, before = 1; settled != before;) {
    before = settled;
    settled = 0;
    for (size_t i = 0; i < workflow.steps.size(); ++i) {
      double begin = 0;
      bool ready = true;
      for (const uint32_t dependency : workflow.steps[i].dependencies) {
        ready = ready && end[dependency] >= 0;
        begin = std::max(begin, end[dependency]);
      }
      if (!ready) continue;
      end[i] = begin + out.steps[i].seconds;
      settled += 1;
    }
    if (settled == workflow.steps.size()) break;
  }
  for (const double seconds : end) out.seconds = std::max(out.seconds, seconds);
  return out;
}

}  // namespace weft::workflow
