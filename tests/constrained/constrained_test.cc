// SPDX-License-Identifier: Apache-2.0
// Random weights know nothing, so every wrong token that a grammar or a budget would let through
// comes sooner or later. What must hold: an answer that begins is complete and valid, for every
// max_tokens from the fewest on, with and without reasoning in front; and the same request gives
// the same tokens alone and in company, on any number of threads, in chunks of any size.
#include <gtest/gtest.h>

#include <future>
#include <set>

#include "base/file.h"
#include "base/strings.h"
#include "chat/call_grammar.h"
#include "chat/turn.h"
#include "runtime/engine.h"
#include "schema/validator.h"
#include "tests/engine/random_model.h"

namespace weft {
namespace {

using grammar::TokenMask;
using grammar::Verdict;
using runtime::Completion;
using runtime::Engine;
using text::TokenId;

const text::Tokenizer& tokenizer() {
  static const auto one =
      text::Tokenizer::load(WEFT_SOURCE_DIR "/tests/golden/tokenizers/mini/qwen3").value();
  return one;
}
const chat::Dialect& dialect() {
  static const auto one = chat::Dialect::recognise(tokenizer()).value();
  return one;
}
// More rows than tokens, as real models have.
int rows() { return (static_cast<int>(tokenizer().size()) + 63) / 64 * 64; }

grammar::VocabularyPtr vocabulary() {
  static const auto one =
      grammar::Vocabulary::of(tokenizer(), static_cast<size_t>(rows())).value();
  return one;
}

const testing_model::RandomModel& weights() {
  static const testing_model::RandomModel model({.vocab = rows(), .logit_scale = 3});
  return model;
}
std::unique_ptr<Engine> engine_of(const runtime::EngineOptions& options) {
  auto loaded = runtime::ModelInstance::load(weights().files(), {.threads = 1}).value();
  return Engine::create(std::move(loaded), options).value();
}

// A turn that is watched while it steers: a forced token must be one that the mask allows, and the
// only way to go on: every other allowed token spells a beginning of the same text, or goes on
// behind it.
class Watched final : public grammar::Guide {
 public:
  Watched(std::unique_ptr<chat::Turn> turn, bool compares)
      : turn_(std::move(turn)), compares_(compares) {}
  std::optional<TokenId> forced() override {
    const auto id = turn_->forced();
    if (id && compares_ && !turn_->reasoning_now()) compare(*id);
    return id;
  }
  bool mask(TokenMask& mask) override { return turn_->mask(mask); }
  Verdict on_token(TokenId id) override { return turn_->on_token(id); }
  chat::Turn& turn() { return *turn_; }
  int forced_tokens() const { return forced_; }

 private:
  void compare(TokenId id) {
    TokenMask mask(static_cast<size_t>(rows()));
    mask.allow_all();
    const std::string_view text = tokenizer().token_bytes(id);
    if (tokenizer().is_added(id) || text.starts_with('\n') || !turn_->mask(mask)) return;
    ++forced_;
    EXPECT_TRUE(mask.allowed(id)) << text;
    for (size_t other = 0; other < tokenizer().size(); ++other) {
      if (!mask.allowed(static_cast<TokenId>(other))) continue;
      const std::string_view bytes = tokenizer().token_bytes(static_cast<TokenId>(other));
      EXPECT_TRUE(text.starts_with(bytes) || bytes.starts_with(text)) << text << " or " << bytes;
    }
  }
  std::unique_ptr<chat::Turn> turn_;
  bool compares_;
  int forced_ = 0;
};

struct Job {
  std::shared_ptr<grammar::Grammar> answer = {};
  std::string prompt = "<|im_start|>assistant\n<think>\n\n</think>\n\n";
  int64_t max_tokens = 64;
  double temperature = 1;
  uint64_t seed = 0;
  chat::CallOptions calls = {};
};

struct Outcome {
  Completion done;
  chat::TurnResult said;
  int forced = 0;
};

std::vector<Outcome> serve(Engine& engine, const std::vector<Job>& jobs, bool compares = false,
                           const chat::Dialect& dialect = weft::dialect()) {
  std::vector<std::promise<Completion>> promises(jobs.size());
  std::vector<std::shared_ptr<Watched>> guides;
  for (size_t i = 0; i < jobs.size(); ++i) {
    runtime::Request request;
    request.prompt = tokenizer().encode(jobs[i].prompt);
    request.max_tokens = static_cast<int>(jobs[i].max_tokens);
    request.sampling.temperature = jobs[i].temperature;
    request.sampling.seed = jobs[i].seed;
    chat::TurnOptions options;
    options.tokens_max = jobs[i].max_tokens;
    options.answer = jobs[i].answer;
    options.calls = jobs[i].calls;
    auto turn = chat::Turn::create(tokenizer(), dialect, request.prompt, std::move(options));
    if (!turn.ok()) ADD_FAILURE() << turn.error().text();
    guides.push_back(std::make_shared<Watched>(std::move(turn).value(), compares));
    request.guide = guides.back();
    request.on_done = [&promises, i](Completion done) { promises[i].set_value(std::move(done)); };
    EXPECT_TRUE(engine.submit(std::move(request)).ok());
  }
  std::vector<Outcome> out;
  for (size_t i = 0; i < jobs.size(); ++i) {
    Completion done = promises[i].get_future().get();
    guides[i]->turn().finish();
    out.push_back({std::move(done), guides[i]->turn().result(), guides[i]->forced_tokens()});
  }
  return out;
}

std::vector<json::Value> schemas() {
  std::vector<json::Value> out;
  const std::string lines = read_file(WEFT_SOURCE_DIR "/tests/grammar/schemas.jsonl").value();
  for (const std::string_view line : split(lines, '\n')) {
    if (!trim(line).empty()) out.push_back(json::parse(line).value());
  }
  return out;
}

std::shared_ptr<grammar::Grammar> grammar_of(const json::Value& document) {
  const auto schema = schema::Schema::parse(document).value();
  return grammar::Grammar::of_schema(vocabulary(), schema).value();
}

void expect_valid(const json::Value& document, const Outcome& outcome, const std::string& what) {
  SCOPED_TRACE(what + " under " + json::dump(document) + ": " + outcome.said.content);
  EXPECT_EQ(outcome.done.finish, runtime::Finish::kStop);
  const auto value = json::parse(outcome.said.content);
  ASSERT_TRUE(value.ok());
  schema::ParseOptions asserting;
  asserting.assert_formats = true;
  const auto schema = schema::Schema::parse(document, asserting).value();
  EXPECT_TRUE(schema::validate(schema, *value).empty());
}

TEST(Constrained, AnswersAreCompleteAndValidForEveryMaxTokens) {
  const auto engine = engine_of({.threads = 2});
  int forced = 0;
  for (const json::Value& document : schemas()) {
    const auto grammar = grammar_of(document);
    std::vector<Job> jobs;
    for (int64_t max = grammar->fewest_tokens(); max <= 64; ++max) {
      jobs.push_back({.answer = grammar, .max_tokens = max, .seed = static_cast<uint64_t>(max)});
    }
    const auto outcomes = serve(*engine, jobs, true);
    for (size_t i = 0; i < jobs.size(); ++i) {
      expect_valid(document, outcomes[i], fmt::format("{} tokens", jobs[i].max_tokens));
      EXPECT_LE(static_cast<int64_t>(outcomes[i].done.tokens.size()), jobs[i].max_tokens);
      forced += outcomes[i].forced;
    }
  }
  EXPECT_GT(forced, 100);  // else the comparison saw nothing
}

// The prompt opens the reasoning, or leaves it to the model; random weights never end it.
TEST(Constrained, ReasoningLeavesRoomForEveryMaxTokens) {
  const auto engine = engine_of({.threads = 2});
  const json::Value document = schemas()[1];
  const auto grammar = grammar_of(document);
  const auto close = static_cast<int64_t>(dialect().close_text.size());
  for (const std::string prompt : {"<|im_start|>assistant\n<think>\n", "<|im_start|>assistant\n"}) {
    std::vector<Job> jobs;
    const int64_t fewest = grammar->fewest_tokens() + (prompt.ends_with("<think>\n") ? close : 0);
    for (int64_t max = fewest; max <= fewest + 64; ++max) {
      jobs.push_back({.answer = grammar, .prompt = prompt, .max_tokens = max,
                      .seed = static_cast<uint64_t>(max)});
    }
    const auto outcomes = serve(*engine, jobs);
    for (size_t i = 0; i < jobs.size(); ++i) {
      expect_valid(document, outcomes[i], fmt::format("{} tokens", jobs[i].max_tokens));
    }
    chat::TurnOptions options;
    options.answer = grammar;
    options.tokens_max = fewest - 1;
    const auto refused =
        chat::Turn::create(tokenizer(), dialect(), tokenizer().encode(prompt), options);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, "E0326");
  }
}

// Markers that are text, as EXAONE Deep's: the closing text is forced, and the answer follows.
TEST(Constrained, ReasoningBetweenMarkersOfTextLeavesRoom) {
  const auto engine = engine_of({.threads = 2});
  const auto deep = chat::Dialect::recognise(tokenizer(), "<thought>").value();
  const json::Value document = schemas()[1];
  const auto grammar = grammar_of(document);
  std::vector<Job> jobs;
  const int64_t fewest =
      grammar->fewest_tokens() + static_cast<int64_t>(deep.close_text.size());
  for (int64_t max = fewest; max <= fewest + 64; ++max) {
    jobs.push_back({.answer = grammar, .prompt = "<|im_start|>assistant\n<thought>\n",
                    .max_tokens = max, .seed = static_cast<uint64_t>(max)});
  }
  const auto outcomes = serve(*engine, jobs, false, deep);
  for (size_t i = 0; i < jobs.size(); ++i) {
    expect_valid(document, outcomes[i], fmt::format("{} tokens", jobs[i].max_tokens));
    EXPECT_TRUE(outcomes[i].said.reasoning.has_value());
  }
}

std::vector<Job> mixed_jobs(size_t count) {
  const auto all = schemas();
  std::vector<Job> jobs;
  for (size_t i = 0; i < count; ++i) {
    jobs.push_back({.answer = grammar_of(all[i % all.size()]),
                    .prompt = std::string(i * 7, 'x') + (i % 3 == 0
                                  ? "<|im_start|>assistant\n<think>\n"
                                  : "<|im_start|>assistant\n<think>\n\n</think>\n\n"),
                    .max_tokens = 90 + static_cast<int64_t>(i) * 5,
                    .temperature = i % 2 == 0 ? 1.0 : 0.0,
                    .seed = i});
  }
  return jobs;
}

TEST(Constrained, TheSameTokensWhateverBatchThreadsAndChunk) {
  const std::vector<Job> jobs = mixed_jobs(16);
  std::vector<std::vector<TokenId>> alone;
  {
    const auto engine = engine_of({.threads = 1, .tokens_per_tick = 1});
    for (const Job& job : jobs) alone.push_back(serve(*engine, {job})[0].done.tokens);
  }
  for (const int threads : {1, 2, 4}) {
    for (const int chunk : {3, 64, 512}) {
      SCOPED_TRACE(fmt::format("{} threads, {} tokens a tick", threads, chunk));
      const auto engine = engine_of({.threads = threads, .tokens_per_tick = chunk});
      const auto outcomes = serve(*engine, jobs);
      for (size_t i = 0; i < jobs.size(); ++i) EXPECT_EQ(outcomes[i].done.tokens, alone[i]) << i;
    }
  }
}

std::vector<chat::Tool> tools() {
  return chat::parse_tools(json::parse(R"([
    {"name": "roll", "parameters": {"type": "object", "required": ["sides"],
      "properties": {"sides": {"type": "integer", "minimum": 2, "maximum": 100},
                     "label": {"type": "string", "maxLength": 9}}}},
    {"name": "find", "parameters": {"type": "object", "required": ["where", "deep"],
      "properties": {"where": {"enum": ["here", "there"]}, "deep": {"type": "boolean"},
                     "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2}}}},
    {"name": "ping"}])").value().as_array()).value();
}

void expect_call(const chat::ToolCall& call) {
  const auto all = tools();
  const chat::Tool* tool = chat::find_tool(all, call.name);
  ASSERT_NE(tool, nullptr) << call.name;
  const auto schema = schema::Schema::parse(json::Value(tool->parameters)).value();
  EXPECT_TRUE(schema::validate(schema, call.arguments).empty()) << json::dump(call.arguments);
}

TEST(Constrained, RequiredCallsAreCompleteAndValidForEveryMaxTokens) {
  const auto engine = engine_of({.threads = 2});
  const auto grammar =
      chat::call_grammar(vocabulary(), chat::CallFormat::kJsonLines, tools()).value();
  const int64_t fewest = grammar->fewest_tokens() + 2;
  std::set<std::string> names;
  size_t most = 0;
  for (const bool parallel : {false, true}) {
    std::vector<Job> jobs;
    for (int64_t max = fewest; max <= fewest + 100; ++max) {
      Job job{.max_tokens = max, .seed = static_cast<uint64_t>(max)};
      job.calls = {.choice = chat::ToolChoice::Mode::kRequired, .parallel = parallel,
                   .grammar = grammar, .tools = tools()};
      jobs.push_back(std::move(job));
    }
    for (const Outcome& outcome : serve(*engine, jobs, true)) {
      EXPECT_EQ(outcome.done.finish, runtime::Finish::kStop);
      EXPECT_EQ(outcome.said.content, "");
      ASSERT_FALSE(outcome.said.tool_calls.empty());
      if (!parallel) {
        EXPECT_EQ(outcome.said.tool_calls.size(), 1U);
      }
      most = std::max(most, outcome.said.tool_calls.size());
      for (const chat::ToolCall& call : outcome.said.tool_calls) {
        names.insert(call.name);
        expect_call(call);
      }
    }
  }
  EXPECT_EQ(names.size(), 3U);
  EXPECT_GT(most, 1U);
}

// Free text in which calls may come: those that do are valid, and none is cut off.
TEST(Constrained, CallsInFreeTextAreNeverCutOff) {
  const auto engine = engine_of({.threads = 2});
  const auto grammar =
      chat::call_grammar(vocabulary(), chat::CallFormat::kJsonLines, tools()).value();
  std::vector<Job> jobs;
  for (int64_t i = 0; i < 200; ++i) {
    Job job{.max_tokens = 20 + i, .temperature = 3, .seed = static_cast<uint64_t>(i)};
    job.calls = {.grammar = grammar, .tools = tools()};
    jobs.push_back(std::move(job));
  }
  size_t calls = 0;
  for (const Outcome& outcome : serve(*engine, jobs)) {
    EXPECT_EQ(outcome.said.content.find("<tool_call>"), std::string::npos) << outcome.said.content;
    calls += outcome.said.tool_calls.size();
    for (const chat::ToolCall& call : outcome.said.tool_calls) expect_call(call);
  }
  EXPECT_GT(calls, 0U);
}

}  // namespace
}  // namespace weft
