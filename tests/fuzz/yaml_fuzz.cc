// SPDX-License-Identifier: Apache-2.0
// Any bytes as a workflow document: a workflow or problems, never both, each with a place; what
// loads has a canonical text that loads to the same, a graph, a picture, and a run that starts.
// The machine that a run goes through (planner, events, state) has its simulation; here its start.
// covers: src/workflow/yaml*.cc src/workflow/c*.cc src/workflow/fields.cc src/workflow/graph.cc
// covers: src/workflow/loader.cc src/workflow/names.cc src/workflow/picture.cc
// covers: src/workflow/problem.cc src/workflow/reading.cc
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "schema/schema.h"
#include "text/jinja.h"
#include "workflow/loader.h"
#include "workflow/picture.h"
#include "workflow/planner.h"
#include "workflow/render.h"

namespace {

using namespace weft;

// Every step that may run is rendered and ends at once, until nothing is left.
void run(const workflow::Planner& planner) {
  workflow::State state;
  workflow::RunAccepted accepted;
  accepted.run = "r";
  accepted.definition = planner.workflow().hash;
  accepted.input = json::Object{};
  accepted.env = json::Object{};
  CHECK(planner.apply(state, {1, accepted}).ok());
  auto todo = planner.apply(state, {1, workflow::RunStarted{}}).value().commands;
  const json::Object secrets;
  for (size_t i = 0; i < todo.size() && i < 200; ++i) {
    const workflow::RenderContext context{planner, state, secrets};
    const workflow::Command command = todo[i];
    workflow::EventBody body = workflow::RunStarted{};  // stale: changes nothing
    if (command.kind == workflow::Command::Kind::kDecide) {
      body = workflow::decide(context, command.path, command.alternative);
    } else if (command.kind == workflow::Command::Kind::kStart) {
      (void)workflow::render_parameters(context, command);
      body = workflow::AttemptSucceeded{command.path, command.attempt, nullptr};
    } else if (command.kind == workflow::Command::Kind::kFinish) {
      (void)workflow::render_run_output(context);
    }
    auto decision = planner.apply(state, {1, std::move(body)});
    CHECK(decision.ok());
    for (auto& next : decision->commands) todo.push_back(std::move(next));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const workflow::Loaded loaded = workflow::load(text);
  CHECK((loaded.workflow != nullptr) == loaded.errors.empty());
  for (const workflow::Problem& problem : loaded.errors) {
    CHECK(problem.code.starts_with("E04") && !problem.message.empty());
    CHECK(problem.place.line >= 1 && problem.place.column >= 1);
    CHECK(!workflow::text(problem, "f").empty());
  }
  if (loaded.workflow == nullptr) {
    CHECK(!workflow::to_error(loaded.errors, "f").message.empty());
    return 0;
  }
  const auto again = workflow::load(loaded.workflow->canonical);
  CHECK(again.workflow != nullptr, "{}", again.errors[0].message);
  CHECK(again.workflow->hash == loaded.workflow->hash);
  (void)workflow::mermaid(*loaded.workflow);
  (void)workflow::dot(*loaded.workflow);
  (void)workflow::picture_json(*loaded.workflow);
  run(workflow::Planner(loaded.workflow));
  return 0;
}
