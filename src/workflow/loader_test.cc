// SPDX-License-Identifier: Apache-2.0
//
// Documents good and bad. Bad ones first of all: every kind of mistake gives its problem with its
// place, several mistakes give several problems, and nothing crashes, hangs or grows without end.
#include "workflow/loader.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/file.h"
#include "workflow/catalog.h"
#include "workflow/graph.h"

namespace weft::workflow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Strings = std::vector<std::string>;

constexpr std::string_view kHead = "weft: \"1\"\nid: test\nsteps:\n";  // steps begin in line 4

std::string with_head(std::string_view steps) { return std::string(kHead) + std::string(steps); }

// "E0410 4:7" of every error.
Strings places(const Loaded& loaded) {
  Strings out;
  for (const Problem& p : loaded.errors) {
    out.push_back(fmt::format("{} {}:{}", p.code, p.place.line, p.place.column));
  }
  return out;
}
Strings wrong(std::string_view text) {
  const Loaded loaded = load(text);
  EXPECT_EQ(loaded.workflow == nullptr, !loaded.errors.empty());
  return places(loaded);
}
Strings wrong_steps(std::string_view steps) { return wrong(with_head(steps)); }
Problem first(std::string_view text) {
  const Loaded loaded = load(text);
  return loaded.errors.empty() ? Problem{} : loaded.errors[0];
}

TEST(Loader, EveryKeyArrives) {
  const Loaded loaded = load(R"(
weft: "1"
id: my-flow
version: 1.0.0
title: A title
priority: 7
timeout: 2m
input: { type: object, properties: { list: { type: array } } }
workflow_config:
  mode_selection: { simple: non_reasoning }
  optimization_targets: { speed: 0.1 }
defaults: { retry: { attempts: 3, initial: 2s }, timeout: 1m }
steps:
  - id: a
    type: api_client
    dependencies: [b]
    when: "{{ steps.b.ok }}"
    for_each: "{{ input.list }}"
    concurrency: 4
    retry: { attempts: 5, backoff: linear, max: PT1M, jitter: false, attempt_timeout: 250ms }
    timeout: 1h30m
    on_error: continue
    join: any_ok
    output_as: "{{ output.body }}"
    priority: -2
    idempotency_key: "{{ run.id }}-{{ item }}"
    on_unknown: fail
    parameters: { url: "http://x/{{ item }}" }
    fallback: [{ id: c, type: set, parameters: { value: "{{ item }}" } }]
  - { id: b, type: wait, parameters: { for: 10 } }
output: { a: "{{ steps.a }}" }
)");
  ASSERT_TRUE(loaded.workflow) << text(loaded.errors[0], "f");
  const Workflow& w = *loaded.workflow;
  EXPECT_EQ(w.id + "|" + w.version + "|" + w.title, "my-flow|1.0.0|A title");
  EXPECT_EQ(w.priority, 7);
  EXPECT_EQ(w.timeout_us, 120 * kSecondUs);
  EXPECT_EQ(w.config.mode_selection[0].second, "non_reasoning");
  EXPECT_EQ(w.config.speed, 0.1);
  EXPECT_EQ(w.config.accuracy, 0.9);
  const Step& a = w.steps[0];
  EXPECT_EQ(a.type, "http");
  EXPECT_THAT(a.dependencies, ElementsAre(1U));
  EXPECT_EQ(a.concurrency, 4U);
  EXPECT_EQ(a.retry().attempts, 5U);
  EXPECT_EQ(a.retry().initial_us, 2 * kSecondUs) << "from defaults";
  EXPECT_EQ(a.retry().max_us, 60 * kSecondUs);
  EXPECT_EQ(a.retry().backoff, Backoff::kLinear);
  EXPECT_FALSE(a.retry().jitter);
  EXPECT_EQ(a.retry().attempt_timeout_us, 250'000);
  EXPECT_EQ(a.timeout_us, 5400 * kSecondUs);
  EXPECT_EQ(a.on_error, OnError::kContinue);
  EXPECT_EQ(a.join, Join::kAnyOk);
  EXPECT_EQ(a.on_unknown, OnUnknown::kFail);
  EXPECT_EQ(a.priority, -2);
  EXPECT_EQ(a.fallback()[0].retry().attempts, 3U);
  EXPECT_EQ(a.fallback()[0].timeout_us, 60 * kSecondUs);
  EXPECT_EQ(a.place.line, 14);
  EXPECT_EQ(w.steps[1].timeout_us, 0) << "waiting has no limit unless given";
  EXPECT_EQ(w.hash.size(), 64U);
}

TEST(Loader, ADefaultAttemptTimeoutIsNotForStepsThatWait) {
  const Loaded loaded = load(
      "weft: \"1\"\nid: x\ndefaults: {retry: {attempt_timeout: 1s}}\nsteps:\n"
      "  - {id: a, type: wait, parameters: {for: 3s}}\n"
      "  - {id: b, type: wait, parameters: {for: 3s}, retry: {attempts: 2}}\n"
      "  - {id: c, type: wait, parameters: {for: 3s}, retry: {attempt_timeout: 2s}}\n"
      "  - {id: d, type: set}\n");
  ASSERT_TRUE(loaded.workflow) << text(loaded.errors[0], "f");
  std::string by_default;
  for (const Step& s : loaded.workflow->steps) {
    by_default += s.attempt_timeout_by_default ? '1' : '0';
  }
  EXPECT_EQ(by_default, "1100");
}

TEST(Loader, HashIsThatOfTheContentNotOfTheLayout) {
  const auto a = load("weft: \"1\"\nid: x\nsteps:\n- {id: a, type: set, parameters: {v: 1}}\n");
  const auto b = load("{\"weft\":\"1\",\"id\":\"x\",\"steps\":[{\"id\":\"a\",\"type\":\"set\","
                      "\"parameters\":{\"v\":1}}]}");
  const auto c = load("weft: \"1\"\nid: x\nsteps:\n- {id: a, type: set, parameters: {v: 2}}\n");
  // The order of members is content: models write fields in the order of their schema.
  const auto d = load("id: x\nweft: \"1\"\nsteps:\n- {id: a, type: set, parameters: {v: 1}}\n");
  ASSERT_TRUE(a.workflow && b.workflow && c.workflow && d.workflow);
  EXPECT_EQ(a.workflow->hash, b.workflow->hash);
  EXPECT_NE(a.workflow->hash, d.workflow->hash);
  EXPECT_NE(a.workflow->hash, c.workflow->hash);
  EXPECT_EQ(load(a.workflow->canonical).workflow->hash, a.workflow->hash);
}

TEST(Loader, WhatIsAcceptedCanBeReadBackFromItsStoredForm) {
  const auto odd = load("weft: \"1\"\nid: x\ntitle: \"ok\\x7f?\"\nsteps: [{id: a, type: set}]\n");
  ASSERT_TRUE(odd.workflow);
  const auto again = load(odd.workflow->canonical);
  ASSERT_TRUE(again.workflow) << text(again.errors[0], "f");
  EXPECT_EQ(again.workflow->title, "ok\x7f?");
  EXPECT_EQ(again.workflow->hash, odd.workflow->hash);
  // 12 MB of text, 72 MB as JSON writes it.
  std::string big = "weft: \"1\"\nid: x\nsteps: [{id: a, type: set, parameters: {value: [&x \"";
  for (int i = 0; i < 20'000; ++i) big += "\\x01";
  big += '"';
  for (int i = 1; i < 600; ++i) big += ", *x";
  EXPECT_EQ(wrong(big + "]}}]\n"), Strings{"E0404 1:1"});
}

TEST(Loader, ExamplesAreValid) {
  size_t found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(WEFT_SOURCE_DIR "/examples")) {
    if (entry.path().extension() != ".yaml") continue;
    ++found;
    const Loaded loaded = load(*read_file(entry.path()));
    EXPECT_TRUE(loaded.workflow) << text(loaded.errors[0], entry.path().string());
    EXPECT_TRUE(loaded.warnings.empty()) << text(loaded.warnings[0], entry.path().string());
  }
  EXPECT_GE(found, 8U);
}

TEST(Loader, AllProblemsAtOnce) {
  EXPECT_EQ(wrong(R"(weft: "1"
id: Bad Id
neds: 1
timeout: soon
steps:
  - id: a
    type: lllm
    dependencies: [ghost]
  - id: a
    type: http
    retry: { attempts: 0 }
  - { id: for, type: set, when: "{{ x }} or {{ y }}" }
)"),
            (Strings{"E0413 2:5", "E0410 3:1", "E0440 4:10", "E0416 7:11", "E0414 8:20",
                     "E0411 9:5", "E0413 9:5", "E0412 11:24", "E0413 12:11", "E0417 12:33"}));
}

TEST(Loader, UnknownKeysGetTheNameThatWasMeant) {
  EXPECT_THAT(first(with_head("  - {id: a, type: set, needs: [b]}\n")).hint,
              HasSubstr("'dependencies'"));
  EXPECT_THAT(first(with_head("  - {id: a, type: set, with: {}}\n")).hint,
              HasSubstr("'parameters'"));
  EXPECT_THAT(first("weft: \"1\"\nid: x\ntasks: []\nsteps: [{id: a, type: set}]\n").hint,
              HasSubstr("'steps'"));
  EXPECT_THAT(first(with_head("  - {id: a, type: set, depedencies: []}\n")).hint,
              HasSubstr("dependencies"));
  EXPECT_THAT(first(with_head("  - {id: a, uses: set}\n")).code, "E0411");
  EXPECT_THAT(first(with_head("  - {id: a, type: http, parameters: {ulr: x}}\n")).message,
              HasSubstr("'url'"));
  EXPECT_THAT(first(with_head("  - {id: a, type: htp}\n")).hint, HasSubstr("http"));
  EXPECT_THAT(first(with_head("  - {id: a, type: set, join: all-ok}\n")).hint,
              HasSubstr("all_ok"));
}

TEST(Loader, WrongKinds) {
  EXPECT_EQ(wrong("just text"), Strings{"E0420 1:1"});
  EXPECT_EQ(wrong("[1, 2]"), Strings{"E0420 1:1"});
  EXPECT_EQ(wrong("weft: \"2\"\nid: x\nsteps: [{id: a, type: set}]"), Strings{"E0420 1:7"});
  EXPECT_EQ(wrong("document: {dsl: 1.0.3}"), Strings{"E0420 1:1"});
  EXPECT_EQ(wrong("weft: \"1\"\nid: x\nsteps: {a: 1}"), Strings{"E0412 3:8"});
  EXPECT_EQ(wrong("weft: \"1\"\nid: x\nsteps: []"), Strings{"E0412 3:8"});
  EXPECT_EQ(wrong("weft: \"1\"\nid: x\nsteps: [1]"), Strings{"E0412 3:9"});
  EXPECT_EQ(wrong("weft: \"1\"\nid: x\n"), Strings{"E0411 1:1"});
  EXPECT_EQ(wrong_steps("  - {id: 7, type: 8}\n"), (Strings{"E0413 4:10", "E0412 4:19"}));
  EXPECT_EQ(wrong_steps("  - {id: a, type: set, dependencies: b}\n"), Strings{"E0412 4:38"});
  EXPECT_EQ(wrong_steps("  - {id: a, type: set, dependencies: [1]}\n"), Strings{"E0412 4:39"});
  EXPECT_EQ(wrong_steps("  - {id: a, type: set, parameters: [1]}\n"), Strings{"E0412 4:36"});
  EXPECT_EQ(wrong_steps("  - {id: a, type: set, retry: 3}\n"), Strings{"E0412 4:31"});
  EXPECT_EQ(wrong_steps("  - {id: a, type: set, when: true}\n"), Strings{"E0412 4:30"});
  EXPECT_EQ(wrong_steps("  - {id: a, type: set, for_each: 3}\n"), Strings{"E0412 4:34"});
  EXPECT_EQ(wrong_steps("  - {id: a, type: set, concurrency: 3}\n"), Strings{"E0412 4:5"});
  EXPECT_EQ(wrong_steps("  - {id: a, type: set, priority: 1.5}\n"), Strings{"E0412 4:34"});
  EXPECT_EQ(wrong_steps("  - {id: a, type: set, timeout: -1}\n"), Strings{"E0440 4:33"});
  EXPECT_EQ(wrong_steps("  - {id: a, type: set, timeout: [1]}\n"), Strings{"E0440 4:33"});
  EXPECT_EQ(wrong_steps("  - {id: a, type: llm, parameters: {prompt: 3, max_tokens: many}}\n"),
            (Strings{"E0412 4:45", "E0412 4:60"}));
  EXPECT_EQ(wrong_steps("  - {id: a, type: llm, parameters: {model: fast}}\n"),
            Strings{"E0411 4:36"});
  EXPECT_EQ(wrong_steps("  - {id: a, type: file, parameters: {action: raed, path: x}}\n"),
            Strings{"E0412 4:46"});
}

TEST(Loader, ThinkingThatContradictsItself) {
  const auto step = [](std::string_view type, std::string_view parameters) {
    return wrong(fmt::format("weft: \"1\"\nid: test\nworkflow_config:\n"
                             "  mode_selection: {{ simple: non_reasoning }}\nsteps:\n"
                             "- id: a\n  type: {}\n  parameters:\n{}", type, parameters));
  };
  for (const char* type : {"llm", "agent", "plan"}) {
    const std::string asked = std::string(type) == "llm" ? "    prompt: x\n" : "    goal: x\n";
    EXPECT_THAT(step(type, asked + "    mode: non_reasoning\n    thinking: { budget_tokens: 500 }"),
                ElementsAre("E0412 11:17"));
    EXPECT_THAT(step(type, asked + "    mode: reasoning\n    thinking: { budget_tokens: 0 }"),
                ElementsAre("E0412 11:17"));
    EXPECT_THAT(step(type, asked + "    class: simple\n    thinking: { budget_tokens: 5 }"),
                ElementsAre("E0412 11:17"));
    EXPECT_THAT(step(type, asked + "    thinking: { budget_tokenz: 5 }"),
                ElementsAre("E0410 10:17"));
    EXPECT_THAT(step(type, asked + "    thinking: { limit_tokens: 9, budget_tokens: -5 }"),
                ElementsAre("E0412 10:34"));
    EXPECT_THAT(step(type, asked + "    mode: \"{{ input.m }}\"\n"
                                   "    thinking: { budget_tokens: 0 }"),
                testing::Not(testing::Contains("E0412 11:17")));
    EXPECT_THAT(step(type, asked + "    mode: reasoning\n    thinking: { budget_tokens: 7 }"),
                ElementsAre());
  }
  EXPECT_THAT(first(with_head("- id: a\n  type: llm\n  parameters: { prompt: x, thinking: "
                              "{ budget_tokenz: 5 } }")).hint,
              HasSubstr("budget_tokens"));
}

TEST(Loader, Ids) {
  EXPECT_EQ(wrong_steps("  - {id: a-b, type: set}\n"), Strings{"E0413 4:10"});
  EXPECT_EQ(wrong_steps("  - {id: not, type: set}\n"), Strings{"E0413 4:10"});
  EXPECT_EQ(wrong_steps("  - {id: _a, type: set}\n"), Strings{"E0413 4:10"});
  EXPECT_EQ(wrong_steps("  - {id: \"\", type: set}\n"), Strings{"E0413 4:10"});
  EXPECT_EQ(wrong_steps("  - {id: " + std::string(65, 'a') + ", type: set}\n"),
            Strings{"E0413 4:10"});
  EXPECT_TRUE(wrong_steps("  - {id: " + std::string(64, 'a') + ", type: set}\n").empty());
  EXPECT_EQ(first(with_head("  - {id: My Step, type: set}\n")).hint, "write my_step");
  EXPECT_EQ(wrong("weft: \"1\"\nid: x\ninput: {properties: {a-b: {}}}\n"
                  "steps: [{id: a, type: set}]"),
            Strings{"E0413 3:22"});
  EXPECT_EQ(wrong_steps("  - {id: a, type: set, fallback: [{id: a, type: set}]}\n"),
            Strings{"E0413 4:35"});
}

TEST(Loader, DependenciesAndCycles) {
  EXPECT_EQ(wrong_steps("  - {id: a, type: set, dependencies: [a]}\n"), Strings{"E0415 4:5"});
  const Problem cycle = first(with_head("  - {id: a, type: set, dependencies: [c]}\n"
                                        "  - {id: b, type: set, dependencies: [a]}\n"
                                        "  - {id: c, type: set, dependencies: [b]}\n"));
  EXPECT_EQ(cycle.code, "E0415");
  EXPECT_THAT(cycle.message, HasSubstr("a → b → c → a"));
  EXPECT_EQ(wrong_steps("  - {id: a, type: set}\n  - {id: b, type: set, dependencies: [a, a]}\n"),
            Strings{"E0412 5:38"});
  EXPECT_THAT(first(with_head("  - {id: classify, type: set}\n"
                              "  - {id: b, type: set, dependencies: [clasify]}\n"))
                  .hint,
              HasSubstr("classify"));
  EXPECT_THAT(first(with_head("  - {id: a, type: set, fallback: [{id: f, type: set}]}\n"
                              "  - {id: b, type: set, dependencies: [f]}\n"))
                  .hint,
              HasSubstr("a"));
}

TEST(Loader, ExpressionsAreChecked) {
  const auto message = [](std::string_view value) {
    return first("weft: \"1\"\nid: x\ninput: {properties: {name: {type: string}}}\nsteps:\n"
                 "  - {id: a, type: llm, parameters: {prompt: x, output: {type: object, "
                 "additionalProperties: false, properties: {category: {type: string}}}}}\n"
                 "  - {id: z, type: set}\n"
                 "  - {id: b, type: set, dependencies: [a], parameters: {value: \"" +
                 std::string(value) + "\"}}\n")
        .message;
  };
  EXPECT_EQ(message("{{ input.name }} {{ steps.a.category }} {{ run.id }} {{ env.X }}"), "");
  EXPECT_EQ(message("{{ secrets.KEY }}"), "");
  EXPECT_THAT(message("{{ input.nmae }}"), HasSubstr("'input' has no 'nmae'"));
  EXPECT_THAT(message("{{ steps.a.categry }}"), HasSubstr("'steps.a' has no 'categry'"));
  EXPECT_THAT(message("{{ steps.z }}"), HasSubstr("does not depend on 'z'"));
  EXPECT_THAT(message("{{ steps.b }}"), HasSubstr("own output"));
  EXPECT_THAT(message("{{ steps.ghost }}"), HasSubstr("no step 'ghost'"));
  EXPECT_THAT(message("{{ name }}"), HasSubstr("unknown name 'name'"));
  EXPECT_THAT(message("{{ item }}"), HasSubstr("unknown name 'item'"));
  EXPECT_THAT(message("{{ output }}"), HasSubstr("unknown name 'output'"));
  EXPECT_THAT(message("{{ run.attempt }}"), HasSubstr("run.attempt"));
  EXPECT_THAT(message("{{ run.strated }}"), HasSubstr("run.strated"));
  EXPECT_THAT(message("{{ 1 + }}"), HasSubstr("parameters.value"));
  EXPECT_THAT(message("{% if 1 %}x{% endif %}"), HasSubstr("parameters.value"));
  EXPECT_THAT(message("{{ steps.a.category"), HasSubstr("parameters.value"));
  EXPECT_EQ(wrong_steps("  - {id: a, type: set, when: yes}\n"), Strings{"E0417 4:30"});
  EXPECT_EQ(wrong_steps("  - {id: a, type: set, when: \"x {{ true }}\"}\n"),
            Strings{"E0417 4:30"});
  EXPECT_TRUE(wrong_steps("  - {id: a, type: llm, parameters: {prompt: "
                          "\"{% for x in [1] %}{{ x }}{% endfor %}\"}}\n").empty());
  EXPECT_THAT(first(with_head("  - {id: a, type: set}\noutput: \"{{ steps.b }}\"\n")).message,
              HasSubstr("no step 'b'"));
}

TEST(Loader, NamesThatAreNeverFilledAreSaidToBeEmpty) {
  const std::pair<const char*, const char*> cases[] = {
      {"when: \"{{ env.KEY is defined }}\"", "'env' is reserved"},
      {"parameters: {value: \"{{ secrets.KEY }}\"}", "there are no secrets here"}};
  for (const auto& [step, message] : cases) {
    const Loaded loaded = load(with_head(fmt::format("  - {{id: a, type: set, {}}}\n", step)));
    EXPECT_TRUE(loaded.workflow) << "runs that were accepted with it must still be read";
    ASSERT_EQ(loaded.warnings.size(), 1U);
    EXPECT_EQ(loaded.warnings[0].code, "E0418");
    EXPECT_EQ(loaded.warnings[0].place.line, 4);
    EXPECT_THAT(loaded.warnings[0].message, HasSubstr(message));
  }
}

TEST(Loader, StepsThatSendSecretsMayNameThem) {
  const Loaded loaded = load(with_head(
      "  - {id: a, type: http, when: \"{{ secrets.KEY is defined }}\", parameters: {url: x, "
      "headers: {K: \"{{ secrets.KEY }}\"}}}\n"));
  EXPECT_TRUE(loaded.workflow);
  EXPECT_TRUE(loaded.warnings.empty());
  const Loaded tools = load(
      "weft: \"1\"\nid: x\ntools:\n"
      "  - {name: good, step: {type: http, parameters: {url: \"{{ secrets.KEY }}\"}}}\n"
      "  - {name: bad, step: {type: set, parameters: {value: \"{{ secrets.KEY }}\"}}}\n"
      "steps:\n  - {id: a, type: set}\n");
  ASSERT_EQ(tools.errors.size(), 1U);
  EXPECT_THAT(tools.errors[0].message, HasSubstr("tool 'bad'"));
}

TEST(Loader, NamesOfStepsUpstreamThroughOthers) {
  EXPECT_TRUE(wrong_steps("  - {id: c, type: set, dependencies: [b], parameters: {v: \"{{ steps.a "
                          "}}\"}}\n  - {id: b, type: set, dependencies: [a]}\n  - {id: a, type: "
                          "set}\n").empty());
}

TEST(Loader, FallbacksAreStepsWithLess) {
  EXPECT_EQ(wrong_steps("  - id: a\n    type: set\n    fallback:\n"
                        "      - {id: f, type: set, dependencies: [a], for_each: [1]}\n"),
            (Strings{"E0410 7:28", "E0410 7:47"}));
  EXPECT_EQ(wrong_steps("  - {id: a, type: set, fallback: []}\n"), Strings{"E0412 4:34"});
  EXPECT_THAT(first(with_head("  - {id: a, type: set, fallback: [{id: f, type: set}]}\n"
                              "  - {id: b, type: set, dependencies: [a], parameters: {v: \"{{ "
                              "steps.f }}\"}}\n"))
                  .hint,
              HasSubstr("steps.a"));
}

TEST(Loader, SchemasAreParsedInTheirPlace) {
  const Problem p = first("weft: \"1\"\nid: x\ninput:\n  type: object\n  properties:\n"
                          "    a: {type: int}\nsteps: [{id: a, type: set}]\n");
  EXPECT_EQ(p.code, "E0419");
  EXPECT_EQ(p.place.line, 6);
  EXPECT_EQ(wrong("weft: \"1\"\nid: x\ninput: {type: array}\nsteps: [{id: a, type: set}]\n"),
            Strings{"E0412 3:15"});
  const Problem slash = first("weft: \"1\"\nid: x\nsteps:\n  - id: a\n    type: validate\n"
                              "    parameters:\n      value: 1\n      schema:\n"
                              "        properties:\n          a/b~c: {type: int}\n");
  EXPECT_EQ(slash.place.line, 10) << slash.message;
  const Loaded odd = load("weft: \"1\"\nid: x\ninput: {properties: {a: {minLenght: 3}}}\n"
                          "steps: [{id: a, type: set}]\n");
  EXPECT_TRUE(odd.workflow);
  ASSERT_EQ(odd.warnings.size(), 1U);
  EXPECT_THAT(odd.warnings[0].hint, HasSubstr("minLength"));
}

TEST(Loader, DurationsInWords) {
  EXPECT_TRUE(wrong_steps("  - {id: a, type: wait, parameters: {for: 1h30m}}\n").empty());
  EXPECT_TRUE(wrong_steps("  - {id: a, type: wait, parameters: {for: \"{{ 5 }}\"}}\n").empty());
  EXPECT_EQ(wrong_steps("  - {id: a, type: wait, parameters: {for: later}}\n"),
            Strings{"E0440 4:43"});
}

// Any document cut short is an error with a place, or still a workflow; never anything else.
TEST(Loader, TruncatedAtEveryByte) {
  const std::string text = *read_file(WEFT_SOURCE_DIR "/examples/customer-resolution.yaml");
  for (size_t i = 0; i < text.size(); i += 7) {
    const Loaded loaded = load(std::string_view(text).substr(0, i));
    ASSERT_EQ(loaded.workflow == nullptr, !loaded.errors.empty()) << i;
  }
}

TEST(Loader, TooManyProblemsAreCountedNotListed) {
  std::string steps;
  for (int i = 0; i < 500; ++i) steps += fmt::format("  - {{id: S{}, type: set}}\n", i);
  const Loaded loaded = load(with_head(steps));
  EXPECT_EQ(loaded.errors.size(), Problems::kProblemsMax);
  EXPECT_EQ(loaded.errors_left_out, 400U);
}

size_t resident_kib(const char* field) {
  const std::string status = *read_file("/proc/self/status");
  const size_t at = status.find(field);
  return std::stoul(status.substr(status.find_first_of("0123456789", at)));
}

TEST(Loader, HundredThousandSteps) {
  std::string text(kHead);
  for (int i = 0; i < 100'000; ++i) {
    text += fmt::format("  - id: s{}\n    type: set\n    dependencies: [{}]\n    parameters:\n"
                        "      value: \"{}\"\n",
                        i, i == 0 ? "" : fmt::format("s{}", i - 1),
                        i == 0 ? "start" : fmt::format("{{{{ steps.s{} }}}}", i - 1));
  }
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";  // VmHWM begins anew
  const size_t before = resident_kib("VmRSS");
  const Loaded loaded = load(text);
  ASSERT_TRUE(loaded.workflow) << loaded.errors[0].message;
  EXPECT_EQ(loaded.workflow->steps.size(), 100'000U);
  const size_t peak = resident_kib("VmHWM");
  RecordProperty("kib", static_cast<int>(peak - before));
  fmt::print("100,000 steps: {} MB of text, peak {} MB above the start\n", text.size() / 1'000'000,
             (peak - before) / 1'000);
#if !defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(peak - before, 80'000U);  // the limit of the product is 100 MB
#endif
}

TEST(Graph, DependsOnAgreesWithASearch) {
  uint64_t random = 1;
  for (int round = 0; round < 200; ++round) {
    std::vector<Step> steps(20);
    for (uint32_t i = 0; i < steps.size(); ++i) {
      for (uint32_t d = 0; d < i; ++d) {
        random = random * 6364136223846793005ULL + 1442695040888963407ULL;
        if ((random >> 33) % 6 == 0) steps[i].dependencies.push_back(d);
      }
    }
    const Graph graph(steps);
    std::vector<std::vector<bool>> upstream(steps.size(), std::vector<bool>(steps.size()));
    for (uint32_t i = 0; i < steps.size(); ++i) {
      for (const uint32_t d : steps[i].dependencies) {
        upstream[i][d] = true;
        for (uint32_t u = 0; u < i; ++u) upstream[i][u] = upstream[i][u] || upstream[d][u];
      }
      for (uint32_t u = 0; u < steps.size(); ++u) {
        ASSERT_EQ(graph.depends_on(i, u), upstream[i][u]) << i << " " << u;
      }
    }
  }
}

TEST(Loader, ToolsAreStepsThatModelsCall) {
  const std::string head = "weft: \"1\"\nid: test\nsteps: [{ id: a, type: set }]\n";
  const auto loaded = load(head + R"(
tools:
  - name: get_customer_profile
    description: Looks a customer up
    parameters: { type: object, properties: { customer_id: { type: string } } }
    step:
      type: api_client
      timeout: 5s
      idempotency_key: "{{ args.customer_id }}"
      parameters: { url: "{{ input.crm }}/customers/{{ args.customer_id | urlencode }}" }
      output_as: "{{ output.body }}"
)");
  ASSERT_TRUE(loaded.workflow != nullptr) << loaded.errors[0].message;
  ASSERT_EQ(loaded.workflow->tools.size(), 1U);
  const ToolDefinition& tool = loaded.workflow->tools[0];
  EXPECT_EQ(tool.name, "get_customer_profile");
  EXPECT_EQ(tool.step.type, "http");
  EXPECT_EQ(tool.step.timeout_us, 5 * kSecondUs);
  EXPECT_EQ(tool.step.idempotency_key(), "{{ args.customer_id }}");
}

TEST(Loader, ToolsThatCannotWorkAreProblems) {
  const std::string head = "weft: \"1\"\nid: test\nsteps: [{ id: a, type: set }]\ntools:\n";
  const auto codes = [&](std::string_view tools) {
    std::string out;
    for (const Problem& p : load(head + std::string(tools)).errors) out += p.code + " ";
    return out;
  };
  EXPECT_EQ(codes("  - { name: t, step: { type: http, parameters: { url: x } } }\n"), "");
  EXPECT_EQ(codes("  - { name: 't t', step: { type: http, parameters: { url: x } } }\n"), "E0412 ");
  EXPECT_EQ(codes("  - { name: t }\n"), "E0411 ");
  EXPECT_EQ(codes("  - { name: t, step: { type: approval, parameters: { role: a } } }\n"),
            "E0412 ");
  EXPECT_EQ(codes("  - { name: t, step: { type: http } }\n"), "E0411 ");
  EXPECT_EQ(codes("  - { name: t, colour: 1, step: { type: http, parameters: { url: x } } }\n"),
            "E0410 ");
  EXPECT_EQ(codes("  - name: t\n    parameters: { type: 7 }\n"
                  "    step: { type: http, parameters: { url: x } }\n"), "E0419 ");
  EXPECT_EQ(codes("  - name: t\n    step: { type: http, parameters: { url: '{{ steps.a }}' } }\n"),
            "E0418 ");
  EXPECT_EQ(codes("  - name: t\n    parameters: { type: object, properties: { id: true } }\n"
                  "    step: { type: http, parameters: { url: '{{ args.di }}' } }\n"), "E0418 ");
  EXPECT_EQ(codes("  - name: t\n    step: { type: http, parameters: { url: '{{ args. }}' } }\n"),
            "E0417 ");
  EXPECT_EQ(codes("  - { name: t, step: { type: http, parameters: { url: x } } }\n"
                  "  - { name: t, step: { type: http, parameters: { url: y } } }\n"), "E0413 ");
  EXPECT_EQ(codes("  t: 1\n"), "E0412 ");
  const auto keyed = [&](std::string_view words) {
    return codes(fmt::format("  - name: t\n"
                             "    step: {{ type: http, parameters: {{ url: x }}, {} }}\n", words));
  };
  EXPECT_EQ(keyed("idempotency_key: '{{ run.id }}', idempotency_scope: global"), "");
  EXPECT_EQ(keyed("idempotency_key: '{{ run.started }}'"), "E0418 ");
  EXPECT_EQ(keyed("idempotency_key: k, idempotency_scope: planet"), "E0412 ");
  EXPECT_EQ(keyed("idempotency_scope: global"), "E0412 ");
}

TEST(Loader, AgentsNameToolsThatThereAre) {
  const auto document = [](std::string_view parameters) {
    return fmt::format("weft: \"1\"\nid: test\n"
                       "input: {{ type: object, properties: {{ t: true }} }}\n"
                       "tools:\n"
                       "  - {{ name: look, step: {{ type: http, parameters: {{ url: x }} }} }}\n"
                       "steps:\n"
                       "  - {{ id: a, type: agent, parameters: {{ goal: g, {} }} }}\n", parameters);
  };
  const auto problems = [&](std::string_view parameters) {
    std::string out;
    for (const Problem& p : load(document(parameters)).errors) {
      out += fmt::format("{}:{} {} {}; ", p.place.line, p.code, p.message, p.hint);
    }
    return out;
  };
  for (const char* good : {"tools: [look, shell, api_client]",
                           "tools: [look], approve_tools: [look]",
                           "tools: '{{ input.t }}', approve_tools: [x]", "tools: ['{{ input.t }}']",
                           "max_turns: 64, tool_errors: 0", "max_turns: '{{ input.t }}'"}) {
    EXPECT_EQ(problems(good), "");
  }
  EXPECT_EQ(problems("tools: [lok]"),
            "7:E0625 step 'a': tools: there is no tool 'lok' did you mean 'look'?; ");
  EXPECT_EQ(problems("tools: [look], approve_tools: [loook]"),
            "7:E0625 step 'a': approve_tools, of those in `tools`: there is no tool 'loook' "
            "did you mean 'look'?; ");
  for (const char* wrong : {"tools: [look, look]", "tools: [7]", "max_turns: 0", "max_turns: 65",
                            "tool_errors: -1", "max_tokens: 0"}) {
    EXPECT_NE(problems(wrong).find("E0412"), std::string::npos) << wrong;
    EXPECT_EQ(load(document(wrong), {.stored = true}).errors.size(), 0U)
        << "a run keeps the rules by which it was accepted: " << wrong;
  }
  EXPECT_TRUE(load(document("tools: [lok]"), {.stored = true}).workflow != nullptr);
}

TEST(Problems, HintsAreMadeOnlyForProblemsThatAreKept) {
  Problems problems;
  int asked = 0;
  for (int i = 0; i < 300; ++i) {
    const auto names = [&] { return ++asked, Strings{"right"}; };
    problems.add("E0418", {}, "wrong", problems.hint_for("rihgt", names));
  }
  EXPECT_EQ(asked, 100);
  EXPECT_EQ(problems.left_out(), 200U);
  EXPECT_EQ(problems.take()[99].hint, "did you mean 'right'?");
}

TEST(Catalog, NamesAndAliases) {
  EXPECT_EQ(find_step_type("api_client"), find_step_type("http"));
  EXPECT_EQ(find_step_type("file_processor"), find_step_type("file"));
  EXPECT_EQ(find_step_type("nothing"), nullptr);
  EXPECT_TRUE(find_step_type("mcp")->runs);
  for (const StepType& type : step_types()) {
    std::set<std::string_view> names;
    for (const Parameter& p : type.parameters) EXPECT_TRUE(names.insert(p.name).second) << p.name;
  }
}

}  // namespace
}  // namespace weft::workflow
