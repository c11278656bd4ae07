// SPDX-License-Identifier: Apache-2.0
//
// llm: one chat call through the backend. `system` and `prompt`, or `messages`; with `output` (a
// JSON Schema) the answer is JSON that fits it, else it is text. A grammar holds the model to the
// schema, so that the answer cannot be malformed or cut off; only where the schema has a keyword
// that no grammar can hold is the answer judged afterwards, and the step may have to try again.
// Everything that is needed to make the same decision again is recorded with the result.
//
// The seed follows from the run's seed, the path and how often the step has failed: a run repeated
// with one seed repeats its answers, a retry draws anew, and an attempt that a crash cut off is
// made again with the same draw, so that the crash leaves no trace in the result.
#include <algorithm>
#include <bit>

#include "backend/backend.h"
#include "base/code_fence.h"
#include "base/digest.h"
#include "base/strings.h"
#include "chat/verbatim.h"
#include "schema/validator.h"
#include "worker/llm_request.h"
#include "worker/run_context.h"
#include "worker/step_types.h"
#include "workflow/step_thinking.h"

namespace weft::worker {
namespace {

using backend::ChatRequest;
using backend::ChatResult;

// Of the time left, for what comes behind the answer: judging it, and the journal.
constexpr int64_t kAnswerMarginMs = 200;

uint64_t seed_of(const StepContext& context) {
  const Sha256 digest =
      sha256(fmt::format("{}\n{}\n{}\n{}", context.seed, context.path, context.alternative,
                         context.failures));
  uint64_t seed = 0;
  for (int i = 0; i < 8; ++i) seed = seed << 8 | digest[static_cast<size_t>(i)];
  return seed >> 1;  // fits a signed integer, as JSON readers expect
}

Status number_into(const json::Object& parameters, std::string_view name,
                   std::optional<double>& out) {
  const json::Value* value = parameters.if_contains(name);
  if (value == nullptr || value->is_null()) return ok_status();
  if (!value->is_number()) {
    return wrong_parameter(name, "a number", std::string(json::kind_name(*value)));
  }
  out = value->to_number<double>();
  return ok_status();
}

Result<std::optional<int64_t>> integer_of(const json::Object& parameters, std::string_view name) {
  const json::Value* value = parameters.if_contains(name);
  if (value == nullptr || value->is_null()) return std::optional<int64_t>();
  if (!value->is_int64()) {
    return wrong_parameter(name, "an integer", std::string(json::kind_name(*value)));
  }
  return std::optional<int64_t>(value->as_int64());
}

bool budget_is_auto(const json::Object& parameters) {
  const json::Value* thinking = parameters.if_contains("thinking");
  if (thinking == nullptr || !thinking->is_object()) return false;
  const json::Value* budget = thinking->get_object().if_contains("budget_tokens");
  return budget != nullptr && *budget == "auto";
}

// What a router may decide. A decision that is made again takes what was decided then; one from
// before there was a router takes nothing.
Status add_wishes(const StepContext& context, std::string_view mode, ChatRequest& request) {
  const json::Object& parameters = context.parameters;
  backend::RouteWish& wish = request.route;
  if (context.pinned != nullptr) {
    wish.pinned = *context.pinned;
    return ok_status();
  }
  const RunContext terms = run_context_from_json(*context.run_context);
  wish.task_class = TRY(text_parameter_or(parameters, "class", ""));
  wish.adaptive = mode == "adaptive";
  TRY(number_into(parameters, "complexity", wish.complexity));
  if (wish.complexity && !(*wish.complexity >= 0 && *wish.complexity <= 1)) {
    return wrong_parameter("complexity", "a number from 0 to 1",
                           json::dump(parameters.at("complexity")));
  }
  const workflow::WorkflowConfig& config = context.workflow->config;
  wish.speed = config.speed;
  wish.accuracy = config.accuracy;
  wish.resource = config.resource;
  wish.account = terms.by;
  wish.tenant = terms.tenant;
  wish.run = context.run;
  wish.auto_budget = budget_is_auto(parameters);
  // The deadline of a step that is only beginning is not in its state yet.
  int64_t left_us = context.timeout_us;
  const int64_t until_us = context.deadline_us - context.now_us;
  if (context.deadline_us != 0 && (left_us == 0 || until_us < left_us)) left_us = until_us;
  if (wish.auto_budget && left_us != 0) {
    request.deadline_ms = std::max<int64_t>(1, left_us / 1000 - kAnswerMarginMs);
  }
  return ok_status();
}

// The same judgement as when the document was read, now that expressions are values.
Status add_thinking(const json::Object& parameters, std::string_view mode, ChatRequest& request) {
  const auto said = workflow::step_thinking(mode, parameters.if_contains("thinking"));
  if (!said.ok()) {
    return make_error("E0603", "parameter " + said.error().message, said.error().hint);
  }
  request.thinking = said->mode;
  request.thinking_budget_tokens = said->budget_tokens;
  return ok_status();
}

Result<json::Array> messages_of(const json::Object& parameters) {
  json::Array messages;
  if (const json::Value* given = parameters.if_contains("messages")) {
    if (!given->is_array()) {
      return wrong_parameter("messages", "a list", std::string(json::kind_name(*given)));
    }
    messages = given->as_array();
  }
  const std::string system = TRY(text_parameter_or(parameters, "system", ""));
  if (const std::string_view text = trim(system); !text.empty()) {
    messages.insert(messages.begin(), json::Object{{"role", "system"}, {"content", text}});
  }
  if (parameters.contains("prompt")) {
    messages.push_back(
        json::Object{{"role", "user"}, {"content", TRY(text_parameter(parameters, "prompt"))}});
  }
  return messages;
}

Status add_sampling(const json::Object& parameters, ChatRequest& request) {
  TRY(number_into(parameters, "temperature", request.temperature));
  TRY(number_into(parameters, "top_p", request.top_p));
  TRY(number_into(parameters, "min_p", request.min_p));
  TRY(number_into(parameters, "repetition_penalty", request.repetition_penalty));
  TRY(number_into(parameters, "presence_penalty", request.presence_penalty));
  TRY(number_into(parameters, "frequency_penalty", request.frequency_penalty));
  request.top_k = TRY(integer_of(parameters, "top_k"));
  request.max_tokens = TRY(integer_of(parameters, "max_tokens")).value_or(request.max_tokens);
  const auto seed = TRY(integer_of(parameters, "seed"));
  if (seed) request.seed = static_cast<uint64_t>(*seed);
  const json::Value* stop = parameters.if_contains("stop");
  if (stop == nullptr) return ok_status();
  if (stop->is_string()) {
    request.stop.emplace_back(stop->as_string());
    return ok_status();
  }
  if (!stop->is_array()) {
    return wrong_parameter("stop", "text or a list of texts", std::string(json::kind_name(*stop)));
  }
  for (const json::Value& text : stop->as_array()) {
    if (!text.is_string()) {
      return wrong_parameter("stop", "texts", std::string(json::kind_name(text)));
    }
    request.stop.emplace_back(text.as_string());
  }
  return ok_status();
}

uint32_t word_at(const std::string& bytes, size_t at) {
  uint32_t word = 0;
  for (size_t i = 4; i-- > 0;) word = word << 8 | static_cast<uint8_t>(bytes[at + i]);
  return word;
}

std::string bytes_of(const std::vector<int32_t>& ids) {
  std::string bytes;
  bytes.reserve(ids.size() * 4);
  for (const int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8) {
      bytes += static_cast<char>(static_cast<uint32_t>(id) >> shift & 0xff);
    }
  }
  return bytes;
}

class LlmActivity final : public Activity {
 public:
  explicit LlmActivity(std::shared_ptr<backend::ChatCall> call) : call_(std::move(call)) {}
  void cancel() override { call_->cancel(); }

 private:
  std::shared_ptr<backend::ChatCall> call_;
};

}  // namespace

// `mode`, or what workflow_config says about `class`.
Result<AskedMode> asked_mode(const StepContext& context, bool one_answer) {
  AskedMode out{TRY(text_parameter_or(context.parameters, "mode", "")), "`mode` of the step"};
  const std::string kind = TRY(text_parameter_or(context.parameters, "class", ""));
  if (out.mode.empty() && !kind.empty()) {
    for (const auto& [name, selected] : context.workflow->config.mode_selection) {
      if (name == kind) out = {selected, fmt::format("mode_selection of class {}", quoted(kind))};
    }
  }
  if (out.mode.empty() && !kind.empty()) {
    return AskedMode{"auto", fmt::format("nothing knows the class {}: the model decides",
                                         quoted(kind))};
  }
  if (out.mode.empty()) return AskedMode{"auto", "nobody has asked for one: the model decides"};
  if (out.mode == "adaptive" && one_answer) {
    return AskedMode{"auto", "adaptive is left to the model in this type of step"};
  }
  if (out.mode == "non_reasoning" || out.mode == "reasoning" || out.mode == "adaptive") return out;
  return wrong_parameter("mode", "non_reasoning, reasoning or adaptive", quoted(out.mode));
}

std::string model_name_of(const json::Object& parameters, const json::Object& run_context) {
  std::string chosen = run_context_from_json(run_context).model;
  if (!chosen.empty()) return chosen;
  const json::Value* named = parameters.if_contains("model");
  const bool text = named != nullptr && named->is_string();
  const bool given = text && !named->get_string().empty();
  return given ? std::string(named->get_string()) : "default";
}

Result<ChatRequest> chat_request_of(const StepContext& context) {
  const json::Object& parameters = context.parameters;
  ChatRequest request;
  TRY(text_parameter_or(parameters, "model", "default"));
  request.model = model_name_of(parameters, *context.run_context);
  const RunContext terms = run_context_from_json(*context.run_context);
  // Prefixes are shared within a tenant only, as requests over HTTP share them.
  if (!terms.tenant.empty()) request.cache_salt = terms.tenant + "\n";
  request.seed = seed_of(context);
  const std::string mode = TRY(asked_mode(context)).mode;
  TRY(add_thinking(parameters, mode, request));
  TRY(add_wishes(context, mode, request));
  request.messages = TRY(messages_of(parameters));
  // What the grammar cannot hold is judged below, and the step tries again: `weft validate` says
  // which schemas are so.
  if (const json::Value* output = parameters.if_contains("output")) request.output_schema = *output;
  request.output_best_effort = true;
  TRY(add_sampling(parameters, request));
  return request;
}

AiCallRow evidence_of(const ChatResult& result, const AskedMode& asked) {
  AiCallRow row;
  row.model = result.evidence.model;
  row.model_hash = result.evidence.model_hash;
  row.template_hash = result.evidence.template_hash;
  row.fingerprint = result.evidence.system_fingerprint;
  row.sampler = json::dump(json::Value(result.evidence.sampler));
  row.prompt_ids = bytes_of(result.evidence.prompt_ids);
  row.output_ids = bytes_of(result.evidence.output_ids);
  row.prompt_hash = sha256_hex(row.prompt_ids);
  row.grammar = result.evidence.grammar;
  json::Object chosen;
  for (const backend::ChosenValue& one : result.chosen) {
    chosen[one.field] = json::Object{{"value", one.value}, {"probability", one.probability}};
  }
  if (!chosen.empty()) row.chosen = json::dump(chosen);
  json::Object route;
  if (!result.evidence.remote.empty()) route["remote"] = result.evidence.remote;
  if (!result.evidence.route.empty()) route["route"] = result.evidence.route;
  if (!asked.mode.empty()) {
    route["mode"] = asked.mode;
    route["mode_why"] = asked.why;
  }
  if (!route.empty()) row.route = json::dump(route);
  row.tokens_resumed = result.tokens_resumed;
  row.reasoning = result.reasoning;
  row.finish_reason = result.finish_reason;
  row.tokens_prompt = result.tokens.prompt;
  row.tokens_reasoning = result.tokens.reasoning;
  row.tokens_answer = result.tokens.answer;
  row.prefill_us = static_cast<int64_t>(result.prefill_seconds * 1e6);
  row.decode_us = static_cast<int64_t>(result.decode_seconds * 1e6);
  return row;
}

void keep_partials(const StepContext& context, ChatRequest& request,
                   backend::ChatCallbacks& callbacks) {
  const PartialRow& known = context.resume;
  if (!known.ids.empty()) {
    backend::PartialAnswer resume{.request = known.request, .ids = {}, .logprobs = {}};
    for (size_t at = 0; at + 4 <= known.ids.size(); at += 4) {
      resume.ids.push_back(static_cast<int32_t>(word_at(known.ids, at)));
      resume.logprobs.push_back(std::bit_cast<float>(word_at(known.logprobs, at)));
    }
    request.resume = std::move(resume);
  }
  if (!context.on_partial) return;
  callbacks.on_partial = [keep = context.on_partial](backend::PartialAnswer piece) {
    PartialRow row{.first = piece.first, .request = std::move(piece.request)};
    row.ids = bytes_of(piece.ids);
    std::vector<int32_t> bits;
    for (const float logprob : piece.logprobs) bits.push_back(std::bit_cast<int32_t>(logprob));
    row.logprobs = bytes_of(bits);
    keep(std::move(row));
  };
}

void count_lost(const StepContext& context, backend::ChatCallbacks& callbacks) {
  if (!context.on_lost) return;
  callbacks.on_lost = [count = context.on_lost](const ChatResult& lost) {
    count(lost.tokens.prompt + lost.tokens.reasoning + lost.tokens.answer);
  };
}

std::unique_ptr<Activity> chat_activity(std::shared_ptr<backend::ChatCall> call) {
  CHECK(call != nullptr, "a chat call without a handle");
  return std::make_unique<LlmActivity>(std::move(call));
}

namespace {

Result<json::Value> answer_of(const ChatResult& result, const json::Value* output) {
  if (output == nullptr) return json::Value(result.content);
  const schema::Schema schema = TRY(schema::Schema::parse(*output));
  auto value = json::parse(without_code_fence(result.content));
  if (!value.ok()) {
    return make_error("E0609",
                      fmt::format("expected JSON from the model, found {}: {}",
                                  quoted(result.content, 120), value.error().message),
                      result.finish_reason == "length"
                          ? "the answer was cut off: raise max_tokens"
                          : "retry the step, or use a larger model: --model NAME");
  }
  const auto violations = schema::validate(schema, *value);
  if (violations.empty()) return value;
  Error error = schema::violation_error("the model's answer", violations);
  error.code = "E0609";
  return error;
}

// Of the answers that were not sure enough, too.
std::vector<AiCallRow> all_evidence(const ChatResult& result, const AskedMode& asked) {
  std::vector<AiCallRow> rows;
  for (const auto& earlier : result.earlier) rows.push_back(evidence_of(*earlier, asked));
  rows.push_back(evidence_of(result, asked));
  return rows;
}

StepOutcome chat_outcome(Result<ChatResult> result, const json::Value* output,
                         const AskedMode& asked) {
  if (!result.ok()) {
    // What the backend refuses (no such model, prompt too long) it would refuse again.
    const bool retryable = backend::may_pass(result.error());
    return StepFailure{std::move(result).error(), retryable, 0};
  }
  auto answer = answer_of(*result, output);
  if (!answer.ok()) {
    StepFailure failure{std::move(answer).error(), true, 0};
    failure.ai_calls = all_evidence(*result, asked);
    return failure;
  }
  StepResult success{std::move(answer).value(), {}};
  success.ai_calls = all_evidence(*result, asked);
  return success;
}

class LlmStep final : public StepType {
 public:
  std::string_view name() const override { return "llm"; }
  bool asks_models() const override { return true; }
  // A model in this process gives the same answer again.
  EffectClass effect(const json::Object&, const workflow::Step&) const override {
    return EffectClass::kPure;
  }
  Started start(StepContext context, StepDone done) const override {
    auto request = chat_request_of(context);
    if (!request.ok()) return failed(std::move(request).error(), false);
    if (context.services->backend == nullptr) {
      return failed(make_error("E0610", "this process runs no models"), false);
    }
    std::shared_ptr<const json::Value> output;
    if (const json::Value* schema = context.parameters.if_contains("output")) {
      json::Value judged = *schema;
      const bool remote = context.services->backend->is_remote(request->model);
      if (remote && chat::asks_verbatim(judged)) {  // here its grammar holds it
        auto bound = chat::bound_to(judged, request->messages);
        if (!bound.ok()) return failed(std::move(bound).error(), false);
        judged = std::move(bound).value();
      }
      output = std::make_shared<const json::Value>(std::move(judged));
    }
    backend::ChatCallbacks callbacks;
    callbacks.on_delta = [report = std::move(context.on_progress)](const backend::ChatDelta& d) {
      report({d.reasoning, d.content, d.tokens.prompt, d.tokens.reasoning, d.tokens.answer});
    };
    callbacks.on_done = [done = std::move(done), output, asked = asked_mode(context).value()](
                            Result<ChatResult> result) {
      done(chat_outcome(std::move(result), output.get(), asked));
    };
    keep_partials(context, *request, callbacks);
    count_lost(context, callbacks);
    auto call = context.services->backend->chat(std::move(*request), std::move(callbacks));
    return {std::nullopt, chat_activity(std::move(call))};
  }
};

}  // namespace

const StepType& llm_step() {
  static const LlmStep step;
  return step;
}

}  // namespace weft::worker
