// SPDX-License-Identifier: Apache-2.0
#include "workflow/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "workflow/schedule.h"

namespace weft::workflow {
namespace {

using Node = YamlTree::Node;
using Kind = YamlTree::Kind;

// What people type who come from other tools.
std::string_view alias_of(std::string_view key) {
  if (key == "needs" || key == "depends_on" || key == "after") return "dependencies";
  if (key == "with" || key == "params" || key == "args") return "parameters";
  if (key == "tasks" || key == "jobs") return "steps";
  if (key == "uses" || key == "kind") return "type";
  if (key == "if") return "when";
  if (key == "retries") return "retry";
  if (key == "inputs") return "input";
  if (key == "outputs") return "output";
  if (key == "name") return "title";
  return {};
}

}  // namespace

Fields::Fields(Node node, std::string what, Problems& problems)
    : what_(std::move(what)), problems_(problems) {
  if (!node.ok()) return;
  place_ = node.place();
  if (node.is_mapping()) {
    node_ = node;
  } else {
    problems_.add("E0412", place_,
                  fmt::format("{}: expected a mapping, found {}", what_, node.found()));
  }
}

Node Fields::any(std::string_view key) {
  asked_.push_back(key);
  return node_.ok() ? node_.find(key) : Node();
}

Node Fields::required(std::string_view key, std::string_view expected) {
  const Node node = any(key);
  if (!node.ok() && node_.ok()) {
    problems_.add("E0411", place_,
                  fmt::format("{}: expected the key '{}' ({}), found none", what_, key, expected));
  }
  return node;
}

void Fields::wrong(Node node, std::string_view key, std::string_view expected, std::string hint) {
  problems_.add("E0412", node.place(),
                fmt::format("{}: '{}' expected {}, found {}", what_, key, expected, node.found()),
                std::move(hint));
}

std::optional<std::string> Fields::text(std::string_view key) {
  const Node node = any(key);
  if (!node.ok()) return std::nullopt;
  if (node.is_text()) return std::string(node.text());
  std::string hint;
  if (node.kind() == Kind::kInteger || node.kind() == Kind::kFloat ||
      node.kind() == Kind::kBoolean) {
    hint = fmt::format("write \"{}\" to make it text", node.text());
  }
  wrong(node, key, "text", std::move(hint));
  return std::nullopt;
}

std::optional<int64_t> Fields::integer(std::string_view key, int64_t min, int64_t max) {
  const Node node = any(key);
  if (!node.ok()) return std::nullopt;
  if (node.kind() == Kind::kInteger) {
    const json::Value value = node.to_json();
    if (value.is_int64() && value.get_int64() >= min && value.get_int64() <= max) {
      return value.get_int64();
    }
  }
  wrong(node, key, fmt::format("an integer from {} to {}", min, max));
  return std::nullopt;
}

std::optional<double> Fields::number(std::string_view key, double min, double max) {
  const Node node = any(key);
  if (!node.ok()) return std::nullopt;
  if (node.kind() == Kind::kInteger || node.kind() == Kind::kFloat) {
    const double value = node.to_json().to_number<double>();
    if (value >= min && value <= max) return value;
  }
  wrong(node, key, fmt::format("a number from {} to {}", min, max));
  return std::nullopt;
}

std::optional<bool> Fields::boolean(std::string_view key) {
  const Node node = any(key);
  if (!node.ok()) return std::nullopt;
  if (node.kind() == Kind::kBoolean) return node.to_json().get_bool();
  wrong(node, key, "true or false");
  return std::nullopt;
}

std::optional<int64_t> Fields::duration_us(std::string_view key) {
  const Node node = any(key);
  if (!node.ok()) return std::nullopt;
  return read_duration(node, fmt::format("{}: '{}'", what_, key), problems_);
}

std::optional<size_t> Fields::word(std::string_view key,
                                   std::initializer_list<std::string_view> words) {
  const Node node = any(key);
  if (!node.ok()) return std::nullopt;
  const std::vector<std::string> names(words.begin(), words.end());
  if (node.is_text()) {
    const auto found = std::find(words.begin(), words.end(), node.text());
    if (found != words.end()) return static_cast<size_t>(found - words.begin());
  }
  wrong(node, key, "one of " + join(names, ", "),
        node.is_text() ? name_hint(node.text(), names) : "");
  return std::nullopt;
}

void Fields::finish() {
  if (!node_.ok()) return;
  for (const Node key : node_) {
    if (std::find(asked_.begin(), asked_.end(), key.text()) != asked_.end()) continue;
    const std::string_view meant = alias_of(key.text());
    std::string hint;
    if (std::find(asked_.begin(), asked_.end(), meant) != asked_.end()) {
      hint = fmt::format("here it is called '{}'", meant);
    } else {
      const std::vector<std::string> names(asked_.begin(), asked_.end());
      hint = name_hint(key.text(), names);
    }
    problems_.add("E0410", key.place(), fmt::format("{}: unknown key {}", what_,
                                                    quoted(key.text())),
                  std::move(hint));
  }
}

std::optional<int64_t> read_duration(Node node, std::string_view where, Problems& problems) {
  const bool scalar = !node.is_list() && !node.is_mapping() && node.kind() != Kind::kNull;
  if (scalar && node.kind() != Kind::kBoolean) {
    const auto us = parse_duration(node.text());
    if (us.ok()) return *us;
  }
  problems.add("E0440", node.place(),
               fmt::format("{} expected a duration of at most ten years, found {}", where,
                           node.found()),
               "write seconds as a number (90), or 250ms, 2m, 1h30m, 4h, 1d, PT2M");
  return std::nullopt;
}

}  // namespace weft::workflow
