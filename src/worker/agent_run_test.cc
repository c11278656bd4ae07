// SPDX-License-Identifier: Apache-2.0
//
// An agent against a model whose turns are written down: what it is asked and when, and what
// becomes of a step whose time or server gives out in the middle. With a real model: tests/e2e.
#include "backend/backend.h"
#include "base/digest.h"
#include "base/file.h"
#include "worker/executor_test.h"
#include "worker/run_acts.h"
#include "worker/tools.h"

namespace weft::worker {
namespace {

using backend::ChatRequest;
using backend::ChatResult;

// Answers the n-th request with the n-th turn; a turn of nothing never comes.
class WrittenModel final : public backend::Backend {
 public:
  using Turn = std::optional<Result<ChatResult>>;

  std::shared_ptr<backend::ChatCall> chat(ChatRequest request,
                                          backend::ChatCallbacks callbacks) override {
    struct Call final : backend::ChatCall {
      void cancel() override {}
    };
    asked.push_back(std::move(request));
    CHECK(asked.size() <= turns.size(), "turn {} is not written", asked.size());
    Turn& turn = turns[asked.size() - 1];
    if (turn) callbacks.on_done(*turn);
    return std::make_shared<Call>();
  }
  bool is_remote(const std::string&) const override { return remote; }

  std::vector<Turn> turns;
  std::vector<ChatRequest> asked;
  bool remote = false;
};

ChatResult said(std::string text) {
  ChatResult out;
  out.content = std::move(text);
  out.finish_reason = "stop";
  return out;
}

ChatResult calls(std::string_view tool, std::string_view path) {
  ChatResult out;
  out.finish_reason = "tool_calls";
  out.tool_calls.push_back(json::Object{
      {"type", "function"},
      {"function",
       json::Object{{"name", tool}, {"arguments", json::Object{{"path", path}}}}}});
  return out;
}

// One turn of many calls.
ChatResult at_once(std::string_view tool, const std::vector<json::Value>& paths) {
  ChatResult out;
  for (const json::Value& path : paths) {
    json::Value call = calls(tool, "").tool_calls[0];
    call.at("function").at("arguments").at("path") = path;
    out.tool_calls.push_back(std::move(call));
  }
  out.finish_reason = "tool_calls";
  return out;
}

class AgentRunTest : public ExecutorTest {
 protected:
  std::unique_ptr<SimProcess> process() {
    return std::make_unique<SimProcess>(env_, store(), 4, 0, &model_);
  }
  std::string submit(SimProcess& process, std::string_view keys = "",
                     std::string_view parameters = "") {
    return process.executor().submit(request(fmt::format(R"(
weft: "1"
id: works
tools:
  - name: append
    description: Appends a line
    parameters: {{type: object, properties: {{path: {{type: string}}}}}}
    step:
      type: file
      parameters: {{action: append, path: "{{{{ args.path }}}}", content: "x\n"}}
  - name: look
    description: Reads a file
    parameters: {{type: object, properties: {{path: {{type: string}}}}}}
    step: {{type: file, parameters: {{action: read, path: "{{{{ args.path }}}}"}}}}
steps:
  - id: agent
    type: agent
    retry: {{attempts: 3, backoff: fixed, initial: 1s, jitter: false, attempt_timeout: 10s}}
    {}
    parameters:
      goal: Write.
      tools: [append, look]
      thinking: {{budget_tokens: auto}}
      {}
output: "{{{{ steps.agent }}}}"
)", keys, parameters))).value();
  }
  json::Object agent(const std::string& run) {
    return document(run).at("steps").as_object().at("agent").as_object();
  }
  std::string log() const {
    auto text = read_file(directory_ / "log.txt");
    return text.ok() ? *text : "";
  }
  WrittenModel model_;
};

TEST_F(AgentRunTest, PastItsLimitWhatItHasDoneIsNotDoneAgain) {
  model_.turns = {calls("append", "log.txt"), std::nullopt, said("done")};
  auto process = this->process();
  const std::string run = submit(*process);
  settle(*process);
  EXPECT_EQ(agent(run).at("status"), "unknown");
  EXPECT_EQ(log(), "x\n");
  ASSERT_TRUE(process->executor().resolve_unknown(
      run, {"agent", workflow::UnknownResolved::Resolution::kRetry, nullptr, "me"}).ok());
  settle(*process, 1'000'000);
  EXPECT_EQ(status(run), "succeeded");
  EXPECT_EQ(log(), "x\n") << "it goes on behind its notes";
  ASSERT_EQ(model_.asked.size(), 3U);
  EXPECT_EQ(model_.asked[2].messages.size(), model_.asked[1].messages.size());
}

// The clock of a step stands still while a person is asked: its timeout is no end of the asking.
TEST_F(AgentRunTest, WhatIsAskedShowsOnlyAnEndThatHolds) {
  model_.turns = {calls("append", "log.txt"), said("done")};
  auto process = this->process();
  const std::string run = submit(*process, "timeout: 2s", "approve_tools: [append]");
  settle(*process, 10'000'000);
  const auto asked = required_actions(*reader_, {}).value();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].deadline_us, 0);
  PostContext post{*reader_, env_, {"ada", {}, true}};
  ASSERT_TRUE(decide_approval(post, run, {"", true, ""}).ok());
  settle(*process, 1'000'000);
  EXPECT_EQ(status(run), "succeeded");

  model_.asked.clear();
  submit(*process, "timeout: 2s", "approve_tools: [append]\n      approve_timeout: 1h");
  settle(*process, 1'000'000);
  const auto limited = required_actions(*reader_, {}).value();
  ASSERT_EQ(limited.size(), 1U);
  EXPECT_GT(limited[0].deadline_us, limited[0].since_us + 3500'000'000);
}

TEST_F(AgentRunTest, ACallThatWasUnderWayAtTheLimitIsAskedAboutOnce) {
  model_.turns = {calls("append", "log.txt"), said("done")};
  auto process = this->process();
  const std::string run = submit(*process);
  while (log().empty()) ASSERT_TRUE(process->loop().turn() || process->journal().pump());
  env_.advance_us(11'000'000);  // the line is written, and the word of it is late
  settle(*process, 30'000'000);
  EXPECT_EQ(agent(run).at("status"), "unknown");
  EXPECT_EQ(log(), "x\n");
  ASSERT_TRUE(process->executor().resolve_unknown(
      run, {"agent", workflow::UnknownResolved::Resolution::kRetry, nullptr, "me"}).ok());
  settle(*process, 1'000'000);
  EXPECT_EQ(status(run), "succeeded");
  EXPECT_EQ(log(), "x\nx\n") << "a person has said: again";
}

// Wherever the process that took the run over dies as well: a person is asked, once about both.
TEST_F(AgentRunTest, CallsThatWereCutOffAreAskedAboutAfterAnyNumberOfCrashes) {
  bool asked = false;
  for (int turns = 0; !asked; ++turns) {
    ASSERT_LT(turns, 1'000);
    const std::string first = fmt::format("a{}.txt", turns), other = fmt::format("b{}.txt", turns);
    const auto lines = [&](const std::string& file) {
      auto text = read_file(directory_ / file);
      return text.ok() ? *text : "";
    };
    model_.asked.clear();
    model_.turns = {at_once("append", {json::Value(first), json::Value(other)}), said("done")};
    auto process = this->process();
    const std::string run = submit(*process);
    while (lines(other).empty()) ASSERT_TRUE(process->loop().turn() || process->journal().pump());
    process = this->process();  // as after kill -9: nobody has heard of the lines
    env_.advance_us(16'000'000);
    for (int i = 0; i < turns && !asked; ++i) {
      if (!process->loop().turn()) process->journal().pump();
      asked = agent(run).at("status") == "unknown";
    }
    process = this->process();
    settle(*process);
    EXPECT_EQ(agent(run).at("status"), "unknown") << turns;
    EXPECT_EQ(lines(first) + lines(other), "x\nx\n") << turns;
    const std::string told = json::dump(document(run));
    EXPECT_NE(told.find("while append, append were being called"), std::string::npos) << told;
    ASSERT_TRUE(process->executor().resolve_unknown(
        run, {"agent", workflow::UnknownResolved::Resolution::kRetry, nullptr, "me"}).ok());
    settle(*process, 1'000'000);
    EXPECT_EQ(status(run), "succeeded");
    EXPECT_EQ(lines(first) + lines(other), "x\nx\nx\nx\n") << "a person has said: again";
  }
}

TEST_F(AgentRunTest, PastItsLimitAHarmlessOneBeginsAnew) {
  ASSERT_TRUE(write_file_atomic(directory_ / "in.txt", "a").ok());
  model_.turns = {calls("look", "in.txt"), std::nullopt, calls("look", "in.txt"),
                  said("done")};
  auto process = this->process();
  const std::string run = submit(*process);
  settle(*process);
  EXPECT_EQ(status(run), "succeeded");
  EXPECT_EQ(agent(run).at("attempts"), 2);
}

TEST_F(AgentRunTest, OnUnknownRetryGoesOnBehindTheNotesAndNotForEver) {
  model_.turns = {calls("append", "log.txt"), std::nullopt, std::nullopt, std::nullopt};
  auto process = this->process();
  const std::string run = submit(*process, "on_unknown: retry");
  settle(*process);
  EXPECT_EQ(status(run), "failed");
  EXPECT_EQ(agent(run).at("attempts"), 3);
  EXPECT_EQ(log(), "x\n");
}

TEST_F(AgentRunTest, EveryTurnGetsTheTimeThatIsLeft) {
  ASSERT_TRUE(write_file_atomic(directory_ / "in.txt", "a").ok());
  model_.turns = {calls("look", "in.txt"), said("done")};
  auto process = this->process();
  const std::string run = submit(*process, "timeout: 60s");
  while (model_.asked.empty()) ASSERT_TRUE(process->loop().turn() || process->journal().pump());
  env_.advance_us(9'000'000);
  settle(*process, 500'000);
  EXPECT_EQ(status(run), "succeeded");
  ASSERT_EQ(model_.asked.size(), 2U);
  ASSERT_TRUE(model_.asked[0].deadline_ms && model_.asked[1].deadline_ms);
  EXPECT_LE(*model_.asked[1].deadline_ms, *model_.asked[0].deadline_ms - 9'000);
}

TEST_F(AgentRunTest, AnotherServerIsToldOnlyWhatIsOnDisk) {
  ASSERT_TRUE(write_file_atomic(directory_ / "in.txt", "a").ok());
  for (const bool remote : {false, true}) {
    model_.remote = remote;
    model_.asked.clear();
    model_.turns = {calls("look", "in.txt"), said("done")};
    auto process = this->process();
    const std::string run = submit(*process);
    while (model_.asked.empty()) ASSERT_TRUE(process->loop().turn() || process->journal().pump());
    while (process->loop().turn()) {
    }
    process->journal().pump();  // the turn is on disk: the call is made
    while (process->loop().turn()) {
    }
    EXPECT_EQ(model_.asked.size(), remote ? 1U : 2U);
    settle(*process, 500'000);
    EXPECT_EQ(model_.asked.size(), 2U);
    EXPECT_EQ(status(run), "succeeded");
  }
}

TEST_F(AgentRunTest, AnOutageBeforeItsFirstTurnPasses) {
  const Error outage = make_error("E0772", "nobody answers");
  model_.turns = {Result<ChatResult>(outage), said("done")};
  auto process = this->process();
  EXPECT_EQ([&] {
    const std::string run = submit(*process);
    settle(*process);
    return status(run);
  }(), "succeeded");
}

// A server elsewhere is not held to copying: what it makes up is not carried out, and it is told.
TEST_F(AgentRunTest, WhatHadToBeCopiedAndWasMadeUpIsNotCalled) {
  model_.turns = {calls("look", "other.txt"), calls("look", "log.txt"), said("done")};
  model_.remote = true;
  auto process = this->process();
  ASSERT_TRUE(write_file_atomic(directory_ / "log.txt", "a").ok());
  ASSERT_TRUE(write_file_atomic(directory_ / "other.txt", "b").ok());
  const std::string run = process->executor().submit(request(R"(
weft: "1"
id: copies
tools:
  - name: look
    description: Reads a file
    parameters: {type: object, properties: {path: {type: string, x-weft-verbatim: true}}}
    step: {type: file, parameters: {action: read, path: "{{ args.path }}"}}
steps:
  - {id: agent, type: agent, parameters: {goal: "Read log.txt.", tools: [look]}}
output: "{{ steps.agent }}"
)")).value();
  settle(*process, 1'000'000);
  EXPECT_EQ(status(run), "succeeded");
  ASSERT_EQ(model_.asked.size(), 3U);
  const std::string told = json::dump(json::Value(model_.asked[1].messages));
  EXPECT_NE(told.find("/path of look should stand in the conversation word for word, found "
                      "'other.txt'"), std::string::npos) << told;
  EXPECT_EQ(json::dump(json::Value(model_.asked[2].messages)).find("\"b\""), std::string::npos);
}

// Each field looks at some 24,000 runs of words: ten may, twenty may not, in however many calls.
TEST_F(AgentRunTest, TheCallsOfATurnHaveOneBudgetForCopying) {
  std::string said_before, fields;
  for (int i = 0; i < 2'000; ++i) said_before += "yes no ";
  for (int i = 0; i < 10; ++i) {
    fields += fmt::format("{}f{}: {{type: string, x-weft-verbatim: true}}", i == 0 ? "" : ", ", i);
  }
  const auto call = [](std::string_view tool, std::string_view f0) {
    json::Value out = calls(tool, "").tool_calls[0];
    out.at("function").at("arguments") = json::Object{{"f0", f0}};
    return out;
  };
  ChatResult turn = calls("note", "");
  turn.tool_calls = {call("note", "yes"), call("note", "no"), call("tell", "yes")};
  model_.turns = {turn, said("done")};
  model_.remote = true;
  auto process = this->process();
  const std::string run = process->executor().submit(request(fmt::format(R"(
weft: "1"
id: copies
tools:
  - name: note
    description: Notes
    parameters: {{type: object, properties: {{{0}}}}}
    step: {{type: set, parameters: {{value: noted}}}}
  - name: tell
    description: Tells
    parameters: {{type: object, properties: {{{0}}}}}
    step: {{type: set, parameters: {{value: told}}}}
steps:
  - {{id: agent, type: agent, parameters: {{goal: "{1}", tools: [note, tell]}}}}
)", fields, said_before))).value();
  settle(*process, 1'000'000);
  EXPECT_EQ(status(run), "succeeded");
  ASSERT_EQ(model_.asked.size(), 2U);
  const json::Array& told = model_.asked[1].messages;
  ASSERT_GE(told.size(), 3U);
  const auto content = [&](size_t back) { return json::dump(told[told.size() - back]); };
  EXPECT_NE(content(3).find("noted"), std::string::npos) << content(3);
  EXPECT_NE(content(2).find("noted"), std::string::npos) << "the same tool again " << content(2);
  EXPECT_NE(content(1).find("words that could be copied"), std::string::npos) << content(1);
}

TEST_F(AgentRunTest, AToolFailsOnceATurnHoweverManyOfItsCallsAreWrong) {
  const ChatResult wrong = at_once("look", {1, 2, 3});
  model_.turns = {wrong, said("done"), wrong, wrong};
  auto process = this->process();
  const std::string first = submit(*process);
  settle(*process, 1'000'000);
  EXPECT_EQ(status(first), "succeeded");
  ASSERT_EQ(model_.asked.size(), 2U);
  const std::string told = json::dump(json::Value(model_.asked[1].messages));
  EXPECT_NE(told.find("a call of look does not fit its schema"), std::string::npos) << told;
  const std::string second = submit(*process);
  settle(*process, 1'000'000);
  EXPECT_EQ(status(second), "failed");
  const json::Object error = document(second).at("error").as_object();
  EXPECT_EQ(error.at("code"), "E0624");
  EXPECT_NE(json::dump(error).find("look failed in 2 turns"), std::string::npos);
}

TEST_F(AgentRunTest, OfManyCallsAtOnceOnlyThosePastTheLimitAreRefused) {
  std::vector<json::Value> paths;
  for (int i = 0; i < 20; ++i) paths.emplace_back(fmt::format("log{}.txt", i));
  model_.turns = {at_once("append", paths), said("done")};
  auto process = this->process();
  const std::string run = submit(*process);
  settle(*process, 1'000'000);
  EXPECT_EQ(status(run), "succeeded");
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(file_exists(directory_ / fmt::format("log{}.txt", i)), i < 16) << i;
  }
  const std::string told = json::dump(json::Value(model_.asked[1].messages));
  EXPECT_NE(told.find("at most 16 calls at once"), std::string::npos) << told;
}

TEST_F(AgentRunTest, TheSameCallIsMadeOnceATurnAndNotForEver) {
  const ChatResult thrice = at_once("append", {"log.txt", "log.txt", "log.txt"});
  model_.turns = {thrice, said("done")};
  auto process = this->process();
  const std::string run = submit(*process);
  settle(*process, 1'000'000);
  EXPECT_EQ(status(run), "succeeded");
  EXPECT_EQ(log(), "x\n");
  model_.asked.clear();
  model_.turns = {thrice, thrice, thrice, said("never asked for")};
  const std::string endless = submit(*process);
  settle(*process, 1'000'000);
  EXPECT_EQ(status(endless), "failed");
  EXPECT_EQ(model_.asked.size(), 3U);
  EXPECT_EQ(log(), "x\nx\n");
}

// Another process finds the same counts in the notes.
TEST_F(AgentRunTest, FailuresAreCountedAlikeBehindTheNotes) {
  const ChatResult wrong = at_once("look", {1, 2});
  model_.turns = {wrong, std::nullopt, wrong, said("never asked for")};
  auto process = this->process();
  const std::string run = submit(*process);
  while (model_.asked.size() < 2) {
    ASSERT_TRUE(process->loop().turn() || process->journal().pump());
  }
  process->journal().pump();
  process.reset();
  process = this->process();
  settle(*process, 60'000'000);
  EXPECT_EQ(model_.asked.size(), 3U);
  EXPECT_EQ(status(run), "failed");
  EXPECT_NE(json::dump(document(run).at("error")).find("look failed in 2 turns"),
            std::string::npos);
}

TEST_F(AgentRunTest, WhatNobodyApprovesInTimeIsNotCalled) {
  model_.turns = {calls("append", "log.txt"), said("done")};
  auto process = this->process();
  const std::string run = process->executor().submit(request(R"(
weft: "1"
id: asks
tools:
  - name: append
    parameters: {type: object, properties: {path: {type: string}}}
    step: {type: file, parameters: {action: append, path: "{{ args.path }}", content: "x"}}
steps:
  - id: agent
    type: agent
    parameters: {goal: Write., tools: [append], approve_tools: [append], approve_timeout: 4h}
output: "{{ steps.agent }}"
)")).value();
  settle(*process, 3 * 3'600'000'000LL);
  EXPECT_EQ(model_.asked.size(), 1U) << "it waits for a person";
  settle(*process, 2 * 3'600'000'000LL);
  EXPECT_EQ(status(run), "succeeded");
  EXPECT_EQ(log(), "");
  ASSERT_EQ(model_.asked.size(), 2U);
  const std::string told = json::dump(json::Value(model_.asked[1].messages));
  EXPECT_NE(told.find("not approved by timeout: nobody decided in time"), std::string::npos)
      << told;
}

// Two runs with the same arguments are two acts; two tries of one run are one.
TEST_F(AgentRunTest, AKeyOfAToolIsOfItsRunUnlessItIsGlobal) {
  const auto key = [&](std::string_view run, std::string_view words, std::string_view given) {
    const auto workflow = parsed(fmt::format(R"(
weft: "1"
id: keys
tools:
  - name: post
    parameters: {{type: object, properties: {{text: {{type: string}}}}}}
    step:
      type: http
      idempotency_key: "{{{{ args.text }}}}"
      {}
      parameters: {{method: POST, url: "https://example.com", json: "{{{{ run.id }}}}"}}
steps: [{{id: agent, type: agent, parameters: {{goal: Write., tools: [post]}}}}]
)", words));
    const Tool tool = find_tool(*workflow, "post").value();
    const json::Value none = json::Object();
    StepContext context;
    context.run = run;
    context.input = &none;
    context.env = &none;
    const auto call = prepare_call(tool, json::Object{{"text", given}}, std::move(context),
                                   fmt::format("{}/agent", run));
    EXPECT_TRUE(call.ok()) << call.error().message;
    EXPECT_EQ(call->context.parameters.at("json"), json::Value(run));
    EXPECT_EQ(call->context.effect, EffectClass::kKeyed);
    return call->context.effect_key;
  };
  EXPECT_EQ(key("r1", "", "a"), "r1/agent/a");
  EXPECT_EQ(key("r2", "", "a"), "r2/agent/a");
  EXPECT_EQ(key("r1", "idempotency_scope: global", "a"), "a");
  EXPECT_EQ(key("r1", "", "줄\n"), "r1/agent/" + sha256_hex("줄\n")) << "it goes into a header";
}

TEST_F(AgentRunTest, AnAnswerThatNeverBeganIsNone) {
  ChatResult cut = said("");
  cut.finish_reason = "length";
  model_.turns = {std::move(cut)};
  auto process = this->process();
  const std::string run = submit(*process);
  settle(*process);
  EXPECT_EQ(status(run), "failed");
  EXPECT_EQ(document(run).at("error").as_object().at("code"), "E0624");
}

}  // namespace
}  // namespace weft::worker
