// SPDX-License-Identifier: Apache-2.0
#include "workflow/picture.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "workflow/graph.h"

namespace weft::workflow {
namespace {

// What a box says besides its id: "llm", "http · each", "set · if".
std::string label(const Step& step) {
  std::string out = step.type;
  if (!step.for_each().is_null()) out += " · each";
  if (!step.when().empty()) out += " · if";
  if (step.join != Join::kAllOk) out += fmt::format(" · {}", name(step.join));
  return out;
}

// Ids need no escaping, titles do. Mermaid knows no backslash: quotes become entities.
std::string escaped(std::string_view text, std::string_view quote) {
  std::string out;
  for (const char c : text) {
    if (c == '"') {
      out += quote;
    } else if (c == '\\') {
      out += "\\\\";
    } else {
      out += static_cast<uint8_t>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

}  // namespace

// Node names carry a prefix, because `end` and other words of Mermaid are fine ids of steps.
std::string mermaid(const Workflow& workflow) {
  std::string out = "flowchart TD\n";
  const std::string& title = workflow.title.empty() ? workflow.id : workflow.title;
  out = fmt::format("---\ntitle: \"{}\"\n---\n", escaped(title, "#quot;")) + out;
  for (const Step& step : workflow.steps) {
    out += fmt::format("  s_{0}[\"{0}<br/><small>{1}</small>\"]\n", step.id, label(step));
    for (const Step& f : step.fallback()) {
      out += fmt::format("  s_{0}(\"{0}<br/><small>{1}</small>\")\n", f.id, label(f));
      out += fmt::format("  s_{} -. fallback .-> s_{}\n", step.id, f.id);
    }
  }
  for (const Step& step : workflow.steps) {
    for (const uint32_t d : step.dependencies) {
      out += fmt::format("  s_{} --> s_{}\n", workflow.steps[d].id, step.id);
    }
  }
  return out;
}

std::string dot(const Workflow& workflow) {
  std::string out = fmt::format("digraph \"{}\" {{\n  rankdir=TB;\n  node [shape=box];\n",
                                workflow.id);
  if (!workflow.title.empty()) {
    out += fmt::format("  label=\"{}\";\n", escaped(workflow.title, "\\\""));
  }
  for (const Step& step : workflow.steps) {
    out += fmt::format("  \"{0}\" [label=\"{0}\\n{1}\"];\n", step.id, label(step));
    for (const Step& f : step.fallback()) {
      out += fmt::format("  \"{0}\" [label=\"{0}\\n{1}\", style=rounded];\n", f.id, label(f));
      out += fmt::format("  \"{}\" -> \"{}\" [style=dashed, label=\"fallback\"];\n", step.id, f.id);
    }
  }
  for (const Step& step : workflow.steps) {
    for (const uint32_t d : step.dependencies) {
      out += fmt::format("  \"{}\" -> \"{}\";\n", workflow.steps[d].id, step.id);
    }
  }
  return out + "}\n";
}

json::Value picture_json(const Workflow& workflow) {
  const Graph graph(workflow.steps);
  json::Array nodes, edges;
  for (uint32_t i = 0; i < workflow.steps.size(); ++i) {
    const Step& step = workflow.steps[i];
    json::Object node{{"id", step.id}, {"type", step.type}, {"depth", graph.depth(i)}};
    if (!step.when().empty()) node.emplace("when", step.when());
    if (step.join != Join::kAllOk) node.emplace("join", name(step.join));
    if (!step.for_each().is_null()) node.emplace("for_each", step.for_each());
    json::Array fallback;
    for (const Step& f : step.fallback()) {
      fallback.push_back(json::Object{{"id", f.id}, {"type", f.type}});
    }
    if (!fallback.empty()) node.emplace("fallback", std::move(fallback));
    nodes.push_back(std::move(node));
    for (const uint32_t d : step.dependencies) {
      edges.push_back(json::Object{{"from", workflow.steps[d].id}, {"to", step.id}});
    }
  }
  return json::Object{{"id", workflow.id},
                      {"title", workflow.title},
                      {"nodes", std::move(nodes)},
                      {"edges", std::move(edges)}};
}

}  // namespace weft::workflow
