// SPDX-License-Identifier: Apache-2.0
//
// The published schema beside the loader: what the loader takes the schema takes; wrong keys,
// words, types and missing parts both refuse.
#include "workflow/document_schema.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "schema/validator.h"
#include "workflow/catalog.h"
#include "workflow/loader.h"
#include "workflow/yaml.h"

namespace weft::workflow {
namespace {

json::Value document_of(std::string_view text) {
  YamlTree tree;
  Problems problems;
  EXPECT_TRUE(YamlTree::parse(text, tree, problems)) << text;
  return tree.root().to_json();
}

bool schema_takes(const json::Value& document) {
  static const schema::Schema schema = schema::Schema::parse(document_schema()).value();
  return schema::validate(schema, document).empty();
}
bool loader_takes(std::string_view text) { return load(text).workflow != nullptr; }

constexpr std::string_view kBegin = "weft: \"1\"\nid: test\n";

TEST(DocumentSchema, TakesEveryExample) {
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(WEFT_SOURCE_DIR "/examples")) {
    if (entry.path().extension() != ".yaml") continue;
    const std::string text = *read_file(entry.path().string());
    ASSERT_TRUE(loader_takes(text)) << entry.path();
    EXPECT_TRUE(schema_takes(document_of(text))) << entry.path();
    seen += 1;
  }
  EXPECT_GE(seen, 10);
}

TEST(DocumentSchema, TakesWhatTheLoaderTakes) {
  for (const std::string_view rest : {
           "steps: [{id: a, type: set}]",
           "version: 2\ntitle: T\npriority: 5\ntimeout: 90\nsteps: [{id: a, type: set}]",
           "steps: [{id: a, type: set, parameters: {anything: [1, {b: null}]}}]",
           "steps: [{id: a, type: wait, parameters: {for: \"{{ 1 + 2 }}\"}}]",
           "steps: [{id: a, type: api_client, parameters: {url: \"http://x/\", bytes_max: 5}}]",
           "steps: [{id: a, type: llm, parameters: {prompt: Hi, output: true, stop: [a, b]}}]",
           "steps: [{id: a, type: set, for_each: [1, 2], concurrency: 2, join: any_ok}]",
           "defaults: {retry: {attempts: 3, backoff: fixed, initial: 1s}}\n"
           "steps: [{id: a, type: set, retry: {jitter: false}}]",
           "schedule: {every: 15m, missed: all, input: {a: 1}}\nsteps: [{id: a, type: set}]",
           "steps: [{id: a, type: set, fallback: [{id: b, type: set, when: \"{{ true }}\"}]}]",
           "workflow_config: {mode_selection: {chat: adaptive}, "
           "optimization_targets: {speed: 0.5}}\nsteps: [{id: a, type: set}]"}) {
    const std::string text = std::string(kBegin) + std::string(rest);
    ASSERT_TRUE(loader_takes(text)) << text;
    EXPECT_TRUE(schema_takes(document_of(text))) << text;
  }
}

TEST(DocumentSchema, RefusesWhatTheLoaderRefuses) {
  for (const std::string_view rest : {
           "", "steps: []", "steps: {a: 1}", "steps: [{id: a}]", "steps: [{type: set}]",
           "steps: [{id: A, type: set}]", "steps: [{id: a, type: nothing}]",
           "stepps: []\nsteps: [{id: a, type: set}]",
           "steps: [{id: a, type: set, needs: [b]}]",
           "steps: [{id: a, type: llm}]", "steps: [{id: a, type: llm, parameters: {model: x}}]",
           "steps: [{id: a, type: http, parameters: {method: GET}}]",
           "steps: [{id: a, type: http, parameters: {url: u, verb: GET}}]",
           "steps: [{id: a, type: http, parameters: {url: u, method: GIVE}}]",
           "steps: [{id: a, type: file, parameters: {action: read, path: [a]}}]",
           "steps: [{id: a, type: agent, parameters: {goal: g, max_turns: 0}}]",
           "steps: [{id: a, type: agent, parameters: {goal: g, tool_errors: -1}}]",
           "steps: [{id: a, type: llm, parameters: {prompt: p, max_tokens: 0}}]",
           "steps: [{id: a, type: llm, parameters: {prompt: p, temperature: -0.5}}]",
           "steps: [{id: a, type: llm, parameters: {prompt: p, top_p: 2}}]",
           "steps: [{id: a, type: llm, parameters: {prompt: p, samples: 3}}]",
           "steps: [{id: a, type: llm, parameters: {prompt: p, complexity: 1.5}}]",
           "steps: [{id: a, type: database, parameters: {connection: c, query: q, rows_max: 0}}]",
           "steps: [{id: a, type: set, join: some}]", "steps: [{id: a, type: set, concurrency: 0}]",
           "steps: [{id: a, type: set, retry: {attempts: 0}}]",
           "steps: [{id: a, type: set, fallback: []}]",
           "steps: [{id: a, type: set, fallback: [{id: b, type: set, join: any_ok}]}]",
           "schedule: {every: 15m, missed: some}\nsteps: [{id: a, type: set}]",
           "priority: high\nsteps: [{id: a, type: set}]",
           "workflow_config: {optimization_targets: {speed: 2}}\nsteps: [{id: a, type: set}]"}) {
    const std::string text = std::string(kBegin) + std::string(rest);
    EXPECT_FALSE(loader_takes(text)) << text;
    EXPECT_FALSE(schema_takes(document_of(text))) << text;
  }
}

TEST(DocumentSchema, KnowsEveryStepType) {
  const json::Object schema = document_schema();
  for (const StepType& type : step_types()) {
    const auto& parameters =
        schema.at("$defs").at(std::string(type.name) + "_parameters").at("properties").as_object();
    EXPECT_EQ(parameters.size(), type.parameters.size()) << type.name;
  }
}

}  // namespace
}  // namespace weft::workflow
