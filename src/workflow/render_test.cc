// SPDX-License-Identifier: Apache-2.0
#include "workflow/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "workflow/explain.h"
#include "workflow/loader.h"
#include "workflow/picture.h"

namespace weft::workflow {
namespace {

using testing::HasSubstr;

// A run of a document, driven by hand.
class Driven {
 public:
  explicit Driven(std::string_view document, json::Value input = json::Object{})
      : planner(loaded(document)) {
    RunAccepted accepted;
    accepted.run = "run_1";
    accepted.definition = planner.workflow().hash;
    accepted.input = std::move(input);
    accepted.env = json::Object{{"URL", "http://crm"}};
    apply(std::move(accepted));
    apply(RunStarted{});
  }
  static std::shared_ptr<const Workflow> loaded(std::string_view document) {
    auto result = load_or_error(document, "test");
    CHECK(result.ok(), "{}", result.error().text());
    return *result;
  }
  void apply(EventBody body) {
    const auto decision = planner.apply(state, {now_us, std::move(body)});
    CHECK(decision.ok(), "{}", decision.error().text());
    for (const Command& c : decision->commands) {
      if (c.kind == Command::Kind::kDecide) apply(decide(context(), c.path, c.alternative));
      if (c.kind == Command::Kind::kStart) starts.push_back(c);
    }
  }
  void succeed(std::string path, json::Value output) {
    apply(AttemptSucceeded{std::move(path), 1, std::move(output)});
  }
  void fail(std::string path, uint32_t attempt) {
    apply(AttemptFailed{std::move(path), attempt, {"x", "broke", "", ""}, true, 0});
  }
  RenderContext context() const { return {planner, state, secrets}; }
  // The parameters of the newest start of `path`, as text; or the error.
  std::string parameters(std::string_view path) const {
    for (auto c = starts.rbegin(); c != starts.rend(); ++c) {
      if (c->path != path) continue;
      const auto rendered = render_parameters(context(), *c);
      return rendered.ok() ? json::dump(rendered->parameters) : rendered.error().text();
    }
    return "not started";
  }

  Planner planner;
  State state;
  int64_t now_us = 1'000'000;
  json::Object secrets{{"KEY", "s3cret"}};
  std::vector<Command> starts;
};

TEST(Render, KeepsTypesAndInsertsTextOnce) {
  Driven run(R"(
weft: "1"
id: x
steps:
  - {id: a, type: set}
  - id: b
    type: set
    dependencies: [a]
    parameters:
      number: "{{ steps.a.n }}"
      list: ["{{ steps.a.n + 1 }}", {deep: "{{ steps.a.list }}"}]
      text: "n={{ steps.a.n }} url={{ env.URL }}"
      twice: "{{ steps.a.trap }}"
      plain: 12
      run: "{{ run.id }} {{ run.started }} {{ run.deadline is none }}"
)");
  run.succeed("a", json::Object{{"n", 12}, {"list", json::Array{1, "x"}}, {"trap", "{{ 1 + 1 }}"}});
  EXPECT_EQ(run.parameters("b"),
            R"({"number":12,"list":[13,{"deep":[1,"x"]}],"text":"n=12 url=http://crm",)"
            R"("twice":"{{ 1 + 1 }}","plain":12,)"
            R"("run":"run_1 1970-01-01T00:00:01.000Z True"})");
}

TEST(Render, ConditionsDecideAndLoopsUnfold) {
  Driven run(R"(
weft: "1"
id: x
input: {properties: {list: {type: array}, yes: {type: boolean}}}
steps:
  - {id: a, type: set, when: "{{ not input.yes }}"}
  - id: b
    type: http
    when: "{{ input.yes }}"
    for_each: "{{ input.list }}"
    idempotency_key: "key-{{ item }}-{{ run.attempt }}"
    parameters: {url: "{{ item }}#{{ index }}"}
  - id: c
    type: set
    dependencies: [a, b]
    parameters: {a: "{{ steps.a is none }}", b: "{{ steps.b }}"}
)",
          *json::parse(R"({"list": ["x", "y"], "yes": true})"));
  EXPECT_EQ(status(run.state.steps[0].execution), StepStatus::kSkipped);
  EXPECT_EQ(run.parameters("b[1]"), R"({"url":"y#1"})");
  EXPECT_EQ(render_parameters(run.context(), run.starts[1])->idempotency_key, "key-y-1");
  run.succeed("b[0]", 1);
  run.succeed("b[1]", 2);
  EXPECT_EQ(run.parameters("c"), R"({"a":true,"b":[1,2]})");
  run.succeed("c", "end");
  EXPECT_EQ(json::dump(*render_run_output(run.context())), R"({"c":"end"})");
}

TEST(Render, ErrorsNameStepFieldAndNearestName) {
  const auto failure = [](std::string_view when) {
    Driven run("weft: \"1\"\nid: x\nsteps:\n  - {id: a, type: set, when: \"" + std::string(when) +
            "\"}\n", *json::parse(R"({"name": "Ada", "n": 3})"));
    return run.state.failure == nullptr ? "" : run.state.failure->code + " " +
                                                   run.state.failure->message;
  };
  EXPECT_THAT(failure("{{ input.nmae == 1 }}"), HasSubstr("E0450 step 'a': when: "));
  EXPECT_THAT(failure("{{ input.n }}"), HasSubstr("E0450"));
  EXPECT_THAT(failure("{{ input.n == input.name }}"), HasSubstr("E0450"));
  EXPECT_EQ(failure("{{ input.n == 3 }}"), "");
  Driven loop("weft: \"1\"\nid: x\nsteps:\n  - {id: a, type: set, for_each: \"{{ input.n }}\"}\n",
           *json::parse(R"({"n": 3})"));
  EXPECT_THAT(loop.state.failure->message, HasSubstr("expected a list, found integer"));
}

TEST(Render, PromptsKeepTheMarksOfData) {
  Driven run(R"(
weft: "1"
id: x
steps:
  - id: a
    type: llm
    parameters:
      prompt: "Say: {{ input.text }}!"
)",
          *json::parse(R"({"text": "<|im_end|>"})"));
  const auto rendered = render_parameters(run.context(), run.starts[0]);
  ASSERT_TRUE(rendered.ok()) << rendered.error().text();
  ASSERT_EQ(rendered->prompts.size(), 1U);
  EXPECT_EQ(rendered->prompts[0].second.text, "Say: <|im_end|>!");
  ASSERT_EQ(rendered->prompts[0].second.data.size(), 1U);
  EXPECT_EQ(rendered->prompts[0].second.data[0], (text::ByteRange{5, 15}));
  EXPECT_EQ(rendered->idempotency_key, "run_1/a");
}

TEST(Render, SecretsAreSeenWhereTheyAreSentAndNowhereElse) {
  Driven run(R"(
weft: "1"
id: x
steps:
  - id: send
    type: http
    when: "{{ secrets.KEY is defined and secrets.OTHER is undefined }}"
    parameters: {url: "http://h/", headers: {Authorization: "Bearer {{ secrets.KEY }}"}}
  - {id: ask, type: llm, parameters: {prompt: "{{ secrets.KEY }}"}}
  - {id: keep, type: set, parameters: {value: "{{ secrets.KEY }}"}, when: "{{ input.never }}"}
  - {id: named, type: http, parameters: {url: "http://h/"}, idempotency_key: "{{ secrets.KEY }}"}
  - {id: wrong, type: http, parameters: {url: "{{ secrets.KEI }}"}}
)",
          *json::parse(R"({"never": true})"));
  EXPECT_EQ(run.parameters("send"),
            R"({"url":"http://h/","headers":{"Authorization":"Bearer s3cret"}})");
  const auto rendered = render_parameters(run.context(), run.starts[0]);
  ASSERT_TRUE(rendered.ok()) << rendered.error().text();
  EXPECT_EQ(rendered->secrets_used, std::vector<std::string>{"KEY"});
  for (const char* step : {"ask", "keep", "named"}) {
    EXPECT_THAT(run.parameters(step), HasSubstr("'secrets.KEY' is undefined")) << step;
    EXPECT_THAT(run.parameters(step), HasSubstr("http and notification steps")) << step;
  }
  EXPECT_THAT(run.parameters("wrong"), HasSubstr("KEY")) << "the nearest name";
  EXPECT_FALSE(
      render_step_output(run.context(), "send", 0, json::Object{{"a", 1}})->get_object().empty());
}

TEST(Render, NoOutputHoldsASecret) {
  Driven run(R"(
weft: "1"
id: x
steps:
  - {id: a, type: http, parameters: {url: "http://h/"}, output_as: "{{ secrets.KEY }}"}
output: "{{ secrets.KEY }}"
)");
  const auto output = render_step_output(run.context(), "a", 0, json::Object());
  ASSERT_FALSE(output.ok());
  EXPECT_EQ(output.error().code, "E0450");
  run.succeed("a", 1);
  EXPECT_FALSE(render_run_output(run.context()).ok());
}

TEST(Render, OutputAsAndSecretsAndUnreachedSteps) {
  Driven run(R"(
weft: "1"
id: x
steps:
  - {id: a, type: set, output_as: {short: "{{ output.value }}"}}
  - {id: slow, type: set}
  - id: b
    type: set
    dependencies: [a, slow]
    join: any_ok
    parameters: {v: "{{ steps.slow is none }}"}
  - {id: elsewhere, type: set, parameters: {v: "{{ steps[input.which] }}"}}
output: "{{ steps.a.short }}"
)",
          *json::parse(R"({"which": "a"})"));
  EXPECT_EQ(json::dump(*render_step_output(run.context(), "a", 0, json::Object{{"value", 7}})),
            R"({"short":7})");
  run.succeed("a", json::Object{{"short", 7}});
  EXPECT_EQ(run.parameters("b"), R"({"v":true})");
  EXPECT_THAT(run.parameters("elsewhere"), HasSubstr("E0450")) << "not upstream, finished or not";
  EXPECT_EQ(json::dump(*render_run_output(run.context())), "7");
}

// A retry, a fallback and each item of a loop read what the first attempt did.
TEST(Render, WhatEndsAfterAStepBeganIsNotSeenByIt) {
  Driven run(R"(
weft: "1"
id: x
steps:
  - {id: a, type: set}
  - {id: slow, type: set}
  - {id: b, type: set, dependencies: [a, slow], join: any_ok, retry: {attempts: 2},
     parameters: {v: "{{ steps.a }} {{ steps.slow }}"},
     fallback: [{id: c, type: set, when: "{{ steps.slow is none }}",
                 parameters: {w: "{{ steps.slow }}"}}]}
  - {id: each, type: set, dependencies: [a, slow], join: any_ok, concurrency: 1,
     for_each: [x, y], parameters: {v: "{{ steps.slow }}"}}
  - {id: after, type: set, dependencies: [a, slow], parameters: {v: "{{ steps.slow }}"}}
)");
  run.succeed("a", 1);
  EXPECT_EQ(run.parameters("b"), R"({"v":"1 None"})");
  run.succeed("slow", 2);
  EXPECT_EQ(run.parameters("b"), R"({"v":"1 None"})") << "rendered once more, to be sent";
  run.fail("b", 1);
  run.now_us += 60'000'000;
  run.apply(TimerFired{TimerKind::kRetry, "b"});
  EXPECT_EQ(run.starts.back().attempt, 2U);
  EXPECT_EQ(run.parameters("b"), R"({"v":"1 None"})");
  run.fail("b", 2);
  EXPECT_EQ(run.parameters("b"), R"({"w":null})");
  run.succeed("each[0]", 1);
  EXPECT_EQ(run.parameters("each[1]"), R"({"v":null})");
  EXPECT_EQ(run.parameters("after"), R"({"v":2})");
}

TEST(Render, TheExpressionsOfAStepTogetherHaveALimit) {
  const auto document = [](int copies) {
    std::string out = "weft: \"1\"\nid: x\nsteps:\n  - {id: a, type: set, parameters: {value: [";
    for (int i = 0; i < copies; ++i) out += "\"{{ 'a' * 9999999 }}\", ";
    return out + "1]}}\n";
  };
  EXPECT_EQ(Driven(document(3)).parameters("a").size(), 3 * 10'000'002 + 13U);
  EXPECT_THAT(Driven(document(7)).parameters("a"),
              HasSubstr("E0450 step 'a': parameters.value[6]: expected at most 67108864 bytes"));
}

TEST(Explain, SaysWhy) {
  Driven run(R"(
weft: "1"
id: x
steps:
  - {id: a, type: set, retry: {attempts: 2, jitter: false}}
  - {id: b, type: set, when: "{{ 1 > 2 }}"}
  - {id: c, type: set, dependencies: [a, b]}
)");
  const auto said = [&](std::string_view path) {
    std::string out;
    for (const std::string& line : explain(run.planner, run.state, path)) out += line + "\n";
    return out;
  };
  EXPECT_THAT(said("b"), HasSubstr("Its condition is false: {{ 1 > 2 }}"));
  EXPECT_THAT(said("c"), HasSubstr("Its join all_ok waits for 1 of 2."));
  EXPECT_THAT(said("c"), HasSubstr("Not ended yet: a (ready)."));
  run.apply(AttemptFailed{"a", 1, {"E0810", "refused", "start it", ""}, true, 0});
  EXPECT_THAT(said("a"), HasSubstr("It waits for its next attempt, in 1 s."));
  EXPECT_THAT(explain_run(run.planner, run.state)[0], HasSubstr("The run is running."));
}

TEST(Picture, ThreeForms) {
  const auto workflow = Driven::loaded(
      "weft: \"1\"\nid: x\ntitle: A \"b\"\nsteps:\n  - {id: end, type: set}\n"
      "  - {id: b, type: set, dependencies: [end], join: any_ok,\n"
      "     fallback: [{id: f, type: set}]}\n");
  EXPECT_THAT(mermaid(*workflow), HasSubstr("  s_end --> s_b\n"));
  EXPECT_THAT(mermaid(*workflow), HasSubstr("title: \"A #quot;b#quot;\""));
  EXPECT_THAT(dot(*workflow), HasSubstr("  \"end\" -> \"b\";\n"));
  EXPECT_THAT(dot(*workflow), HasSubstr("style=dashed"));
  EXPECT_THAT(json::dump(picture_json(*workflow)),
              HasSubstr(R"("edges":[{"from":"end","to":"b"}])"));
}

}  // namespace
}  // namespace weft::workflow
