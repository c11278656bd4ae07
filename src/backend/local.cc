// SPDX-License-Identifier: Apache-2.0
#include "backend/local.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/answer_form.h"
#include "backend/local_call.h"
#include "backend/token_parts.h"
#include "base/digest.h"
#include "base/env.h"
#include "chat/message.h"
#include "chat/turn.h"
#include "chat/verbatim.h"

namespace weft::backend {
namespace {

// Reasoning needs a word of the caller, or none against it, and room beside the shortest answer:
// without room the template's own form without reasoning is taken.
bool may_think(const LoadedModel& model, const ChatRequest& request, const AnswerForm& form) {
  if (request.thinking == Thinking::kOff || request.thinking_budget_tokens == 0) return false;
  int64_t answer = 1;
  if (form.answer) answer = form.answer->fewest_tokens();
  if (form.calls.choice == chat::ToolChoice::Mode::kRequired) {
    answer = form.calls.grammar->fewest_tokens() + 2;
  }
  const auto close = static_cast<int64_t>(model.dialect->close_text.size());
  return text::thinking_limit(request.max_tokens, answer, close) > 0;
}

bool has_role(const std::vector<chat::Message>& messages, std::string_view role) {
  return std::ranges::any_of(messages, [&](const chat::Message& m) { return m.role == role; });
}

// A model that may not call is not told what it could; but the embedded one knows what tools
// returned only below their list, and a schema keeps it from calling.
bool shows_tools(const LoadedModel& model, const ChatRequest& request,
                 const std::vector<chat::Message>& messages) {
  if (request.tool_choice != "none") return true;
  return model.one_task && !request.output_schema.is_null() && has_role(messages, "tool");
}

Result<text::MarkedText> render(const LoadedModel& model, const ChatRequest& request,
                                bool thinks) {
  chat::PromptRequest prompt;
  prompt.messages = TRY(messages_for(model, request.messages));
  if (shows_tools(model, request, prompt.messages)) {
    prompt.tools = chat::tools_without_verbatim(request.tools);
  }
  const bool said_in_words = !prompt.tools.empty() || has_role(prompt.messages, "system");
  if (!request.output_schema.is_null() && !(model.one_task && said_in_words)) {
    chat::add_schema(prompt.messages, chat::without_verbatim(request.output_schema));
  }
  if (!thinks) {
    prompt.enable_thinking = false;
  } else if (request.thinking == Thinking::kOn) {
    prompt.enable_thinking = true;
  }
  return model.chat_template->render(prompt);
}

// Everything about a call that the engine's callbacks need. It does not own the model: the last
// callback runs on the engine's thread, which could then not end its own engine.
struct Generation {
  std::shared_ptr<chat::Turn> turn;  // null only until the engine has refused the prompt
  ChatCallbacks callbacks;
  Evidence evidence;
  int64_t prompt_tokens = 0;
  std::optional<int64_t> thinking_budget;   // as it binds
  std::optional<text::Tokenizer> spelling;  // of tokens; absent: nobody needs it
  std::optional<json::Value> schema;        // that holds the answer
  std::string not_held;
  bool told = false;                        // the caller wants the tokens
  std::optional<TokenParts> parts;          // of the tokens; with `spelling`
  size_t told_tokens = 0;        // of these
  PartialAnswer partial;         // not yet told to on_partial
  int64_t resumed = 0;           // tokens so far that an earlier process had generated
  int64_t partial_told_ns = 0;

  TokenCounts counts() const {
    return {prompt_tokens, turn->result().reasoning_tokens, turn->result().answer_tokens};
  }

  void on_token(const runtime::Sampled& sampled) {
    resumed += sampled.resumed ? 1 : 0;
    note_partial(sampled);
    if (spelling) {
      GeneratedToken token{std::string(spelling->token_bytes(sampled.id)), sampled.logprob};
      for (const runtime::TokenLogprob& other : sampled.top) {
        token.top.push_back({std::string(spelling->token_bytes(other.id)), other.logprob});
      }
      parts->add(std::move(token), sampled.id, spelling->is_added(sampled.id), turn->result());
    }
    tell_delta();
  }

  // A crash costs what was not told: at most 32 tokens, or 2 s of them, and what came behind a
  // hurry: those who go on without it would make another text of what it had begun.
  void note_partial(const runtime::Sampled& sampled) {
    constexpr size_t kTokens = 32;
    constexpr int64_t kNs = 2'000'000'000;
    if (!callbacks.on_partial) return;
    const int64_t now_ns = real_env().mono_ns();
    if (partial_told_ns == 0) partial_told_ns = now_ns;
    if (sampled.resumed) {
      ++partial.first;
      return;
    }
    if (sampled.hurried) return;
    partial.ids.push_back(sampled.id);
    partial.logprobs.push_back(sampled.logprob);
    if (partial.ids.size() < kTokens && now_ns - partial_told_ns < kNs) return;
    partial_told_ns = now_ns;
    PartialAnswer piece = partial;
    partial.first += static_cast<int64_t>(partial.ids.size());
    partial.ids.clear();
    partial.logprobs.clear();
    callbacks.on_partial(std::move(piece));
  }

  void tell_delta() {
    if (!callbacks.on_delta) return;
    chat::TurnDelta delta = turn->take_delta();
    if (delta.empty()) return;
    ChatDelta out{std::move(delta.reasoning), std::move(delta.content), counts()};
    out.calls = std::move(delta.calls);
    if (told) {
      const auto& all = parts->tokens();
      const size_t end = parts->settled(told_tokens, turn->result());
      out.generated.assign(all.begin() + static_cast<std::ptrdiff_t>(told_tokens),
                           all.begin() + static_cast<std::ptrdiff_t>(end));
      told_tokens = end;
    }
    callbacks.on_delta(out);
  }

  void on_done(runtime::Completion completion) {
    if (completion.error.has_value()) return callbacks.on_done(std::move(*completion.error));
    turn->finish();
    if (parts) parts->finish(turn->result());
    tell_delta();  // what was held back
    const chat::TurnResult& said = turn->result();
    ChatResult result;
    result.content = said.content;
    result.reasoning = said.reasoning.value_or("");
    for (const chat::ToolCall& call : said.tool_calls) {
      result.tool_calls.push_back(chat::openai_form(call));
    }
    result.calls = said.calls;
    result.finish_reason = completion.finish != runtime::Finish::kStop
                               ? finish_reason(completion.finish)
                           : result.tool_calls.empty() ? "stop"
                                                       : "tool_calls";
    result.stop_reason = stop_reason(completion.finish);
    result.tokens = with_engine_counts(counts(), completion.usage);
    result.thinking_budget = thinking_budget;
    result.budget_reached = said.budget_reached;
    result.prefill_seconds = completion.usage.prefill_seconds;
    result.decode_seconds = completion.usage.decode_seconds;
    if (parts) result.generated = std::move(parts->tokens());
    if (schema) result.chosen = chosen_values(*schema, result.content, result.generated);
    if (!told) result.generated.clear();
    result.not_held = not_held;
    result.tokens_resumed = resumed;
    evidence.output_ids.assign(completion.tokens.begin(), completion.tokens.end());
    evidence.hurries = hurries_record(completion.hurries);
    result.evidence = std::move(evidence);
    callbacks.on_done(std::move(result));
  }
};

chat::TurnOptions turn_options(const LoadedModel& model, const ChatRequest& request,
                               const AnswerForm& form, bool thinks) {
  chat::TurnOptions options;
  options.stop = request.stop;
  const auto& eos = model.instance->config.eos;
  options.stop_ids.assign(eos.begin(), eos.end());
  options.answer = form.answer;
  options.calls = form.calls;
  options.thinking_budget = request.thinking_budget_tokens;
  options.must_think = thinks && request.thinking == Thinking::kOn;
  options.keeps_time = request.deadline_ms.has_value();
  if (!thinks) options.thinking_budget = 0;  // also where the template has no switch
  return options;
}

// What only the backend can know. Whether the prompt fits the context is the engine's to say, which
// knows its cache; what a sampler accepts is the sampler's.
Status check_request(const LoadedModel& model, const ChatRequest& request) {
  if (model.chat_template && !model.dialect && model.instance->tokenizer) {
    TRY(chat::Dialect::recognise(*model.instance->tokenizer, model.chat_template->source()));
  }
  if (!model.chat_template || !model.dialect || !model.instance->tokenizer) {
    return make_error("E0711",
                      fmt::format("model {} has no chat template or no tokenizer",
                                  model.instance->name),
                      "its directory needs tokenizer.json and a chat_template in "
                      "tokenizer_config.json");
  }
  if (request.max_tokens < 1 || request.max_tokens > (1 << 30)) {
    return make_error("E0712", fmt::format("max_tokens: expected 1 to {}, found {}", 1 << 30,
                                           request.max_tokens));
  }
  if (request.thinking_budget_tokens.value_or(0) < 0) {
    return make_error("E0712", fmt::format("thinking budget: expected 0 or more, found {}",
                                           *request.thinking_budget_tokens),
                      "0 answers without thinking");
  }
  return ok_status();
}

// Hash of all that decides which tokens come.
std::string request_hash(const Evidence& evidence, const ChatRequest& request, bool thinks) {
  json::Array parts{evidence.model_hash,
                    evidence.template_hash,
                    evidence.system_fingerprint,
                    json::Value(evidence.sampler),
                    evidence.grammar,
                    request.choice_index,
                    thinks,
                    request.thinking_budget_tokens.value_or(-1)};
  for (const std::string& stop : request.stop) parts.emplace_back(stop);
  for (const int32_t id : evidence.prompt_ids) parts.emplace_back(id);
  return sha256_hex(json::canonical(json::Value(std::move(parts))));
}

// The tokens that `request.resume` brings, if they are of this very request.
std::vector<runtime::Sampled> resumed_tokens(const ChatRequest& request, const std::string& hash) {
  std::vector<runtime::Sampled> tokens;
  const auto& from = request.resume;
  if (!from || from->request != hash || from->first != 0) return tokens;
  CHECK(from->logprobs.size() == from->ids.size(), "{} of {} tokens", from->logprobs.size(),
        from->ids.size());
  for (size_t i = 0; i < from->ids.size(); ++i) {
    runtime::Sampled token;
    token.id = from->ids[i];
    token.logprob = from->logprobs[i];
    token.resumed = true;
    tokens.push_back(std::move(token));
  }
  return tokens;
}

Status start(Models& models, const ChatRequest& request, ChatCallbacks& callbacks,
             LocalCall& call, int64_t called_ns) {
  const std::shared_ptr<LoadedModel> model = TRY(models.get(request.model));
  TRY(check_request(*model, request));
  AnswerForm form = TRY(answer_form(*model, request));
  const bool thinks = may_think(*model, request, form);
  const text::MarkedText prompt_text = TRY(render(*model, request, thinks));
  TRY(check_could_fit(*model, prompt_text.text));
  runtime::Request work;
  work.prompt = model->instance->tokenizer->encode(prompt_text);
  work.sampling = TRY(sampling_of(request, model->instance->config.generation));
  work.max_tokens = static_cast<int>(request.max_tokens);
  work.top_logprobs = request.top_logprobs;
  TRY(set_service(work, request, called_ns));
  work.end_loops = true;

  auto generation = std::make_shared<Generation>();
  chat::TurnOptions options = turn_options(*model, request, form, thinks);
  const auto prompt_tokens = static_cast<int64_t>(work.prompt.size());
  const int64_t room = model->engine->context() - prompt_tokens;
  if (room > 0) {  // else the engine says what does not fit
    options.tokens_max = std::min(request.max_tokens, room);
    generation->turn = TRY(chat::Turn::create(*model->instance->tokenizer, *model->dialect,
                                              work.prompt, std::move(options)));
    generation->thinking_budget = generation->turn->thinking_budget();
  }
  if (form.answer && !request.output_schema.is_null()) generation->schema = form.schema;
  generation->not_held = form.not_held;
  generation->told = request.logprobs;
  work.logprobs = request.logprobs || generation->schema.has_value();
  if (work.logprobs) {
    const bool calls = form.calls.choice != chat::ToolChoice::Mode::kNone;
    const auto none = std::optional<text::TokenId>();
    generation->spelling = *model->instance->tokenizer;
    generation->parts.emplace(calls ? model->dialect->call_open : none,
                              calls ? model->dialect->call_close : none, form.answer != nullptr);
  }
  generation->prompt_tokens = prompt_tokens;
  generation->evidence = {.model = model->instance->name,
                          .model_hash = model->instance->weights_hash,
                          .template_hash = model->template_hash,
                          .system_fingerprint = model->instance->fingerprint(),
                          .sampler = sampler_record(work.sampling, request),
                          .grammar = form.grammar,
                          .prompt_ids = {work.prompt.begin(), work.prompt.end()},
                          .output_ids = {}};
  generation->partial.request = request_hash(generation->evidence, request, thinks);
  work.resumed = resumed_tokens(request, generation->partial.request);
  work.guide = generation->turn;
  work.on_token = [generation](const runtime::Sampled& token) { generation->on_token(token); };
  work.on_done = [generation](runtime::Completion completion) {
    generation->on_done(std::move(completion));
  };
  generation->callbacks = callbacks;
  auto handle = model->engine->submit(std::move(work));
  if (!handle.ok()) return std::move(handle).error();
  call.started(*handle);
  return ok_status();
}

// A grammar has to be there before it begins.
bool is_held(const ChatRequest& request) {
  const bool calls = !request.tools.empty() && request.tool_choice != "none";
  return calls || !request.output_schema.is_null() || request.regex || !request.choice.empty() ||
         request.ebnf;
}

}  // namespace

LocalBackend::LocalBackend(ModelsOptions options) : models_(std::move(options)) {
  constexpr std::array<int, kLanes> kThreads = {1, 2, 1};
  for (size_t i = 0; i < kLanes; ++i) {
    Lane& lane = lanes_[i];
    for (int n = 0; n < kThreads[i]; ++n) {
      lane.threads.emplace_back([this, &lane] { prepare_calls(lane); });
    }
  }
}

LocalBackend::~LocalBackend() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  for (Lane& lane : lanes_) lane.changed.notify_all();
  for (Lane& lane : lanes_) {
    for (std::thread& thread : lane.threads) thread.join();
  }
}

std::shared_ptr<ChatCall> LocalBackend::chat(ChatRequest request, ChatCallbacks callbacks) {
  CHECK(callbacks.on_done != nullptr);
  auto call = std::make_shared<LocalCall>();
  const int64_t called_ns = real_env().mono_ns();
  const LaneOf ready_lane = is_held(request) ? kHeld : kFree;
  const LaneOf lane = models_.is_loaded(request.model) ? ready_lane : kLoading;
  add(lane, [this, call, called_ns, request = std::move(request),
             callbacks = std::move(callbacks)](Status ready) mutable {
    // Nobody waits for it.
    if (call->cancelled()) return callbacks.on_done(never_begun(request.model));
    if (ready.ok()) ready = start(models_, request, callbacks, *call, called_ns);
    if (!ready.ok()) callbacks.on_done(std::move(ready).error());
  });
  return call;
}

void LocalBackend::prepare(const std::string& model, Job job) {
  add(models_.is_loaded(model) ? kFree : kLoading, std::move(job));
}

void LocalBackend::add(LaneOf to, Job job) {
  Lane& lane = lanes_[to];
  const std::lock_guard lock(mutex_);
  lane.waiting.push_back(std::move(job));
  lane.changed.notify_one();
}

// Loading a model takes seconds and rendering a long prompt milliseconds: neither may stand on the
// caller's thread, which is the loop of all runs. In order of arrival, as far as a lane has one
// thread, so that two first users of a model wait for one load.
void LocalBackend::prepare_calls(Lane& lane) {
  for (;;) {
    Job job;
    bool stopping = false;
    {
      std::unique_lock lock(mutex_);
      lane.changed.wait(lock, [&] { return stopping_ || !lane.waiting.empty(); });
      if (lane.waiting.empty()) return;
      job = std::move(lane.waiting.front());
      lane.waiting.pop_front();
      stopping = stopping_;
    }
    job(stopping ? Status(make_error("E0713", "the backend stopped before the call began"))
                 : ok_status());
  }
}

}  // namespace weft::backend
