// SPDX-License-Identifier: Apache-2.0
#include "workflow/reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "schema/pointer.h"
#include "schema/schema.h"
#include "workflow/catalog.h"
#include "workflow/step_thinking.h"
#include "workflow/timetable.h"

namespace weft::workflow {
namespace {

using Node = YamlTree::Node;
using Kind = YamlTree::Kind;

constexpr std::string_view kJinjaWords[] = {"and",  "or",  "not",  "in",    "is",  "if",
                                            "else", "elif", "for", "true", "false", "none"};
constexpr size_t kIdMax = 64;

bool is_within(const Parameter& parameter, Node node) {
  const json::Value value = node.to_json();
  if (value.is_double() && parameter.takes == Takes::kNumber) {
    return value.get_double() >= static_cast<double>(parameter.min) &&
           value.get_double() <= static_cast<double>(parameter.max);
  }
  if (!value.is_int64()) return parameter.max == INT64_MAX;
  return value.get_int64() >= parameter.min && value.get_int64() <= parameter.max;
}

// What a parameter of this kind may be, besides text with an expression in it.
bool fits(Takes takes, Node node) {
  switch (takes) {
    case Takes::kAnything:
      return true;
    case Takes::kText:
    case Takes::kPrompt:
      return node.is_text();
    case Takes::kWord:
      return node.is_text();
    case Takes::kNumber:
      return node.kind() == Kind::kInteger || node.kind() == Kind::kFloat;
    case Takes::kInteger:
      return node.kind() == Kind::kInteger;
    case Takes::kBoolean:
      return node.kind() == Kind::kBoolean;
    case Takes::kList:
      return node.is_list();
    case Takes::kMapping:
      return node.is_mapping();
    case Takes::kSchema:
      return node.is_mapping() || node.kind() == Kind::kBoolean;
    case Takes::kDuration:
      return node.is_text() || node.kind() == Kind::kInteger || node.kind() == Kind::kFloat;
  }
  CHECK(false);
}

std::string_view expectation(Takes takes) {
  switch (takes) {
    case Takes::kAnything: return "anything";
    case Takes::kText:
    case Takes::kPrompt: return "text";
    case Takes::kWord: return "a word";
    case Takes::kNumber: return "a number";
    case Takes::kInteger: return "an integer";
    case Takes::kBoolean: return "true or false";
    case Takes::kList: return "a list";
    case Takes::kMapping: return "a mapping";
    case Takes::kSchema: return "a JSON Schema";
    case Takes::kDuration: return "a duration";
  }
  CHECK(false);
}

bool gives_attempt_timeout(Node step) {
  const Node retry = step.find("retry");
  return retry.ok() && retry.find("attempt_timeout").ok();
}

// The node that a schema error speaks of ("#/properties/a/minLength: …"), as deep as it exists.
Node node_at(Node node, std::string_view message) {
  const size_t end = message.find(": ");
  if (!message.starts_with('#') || end == std::string_view::npos) return node;
  const auto steps = schema::parse_pointer(message.substr(1, end - 1));
  if (!steps.ok()) return node;
  for (const std::string& part : *steps) {
    Node next;
    if (node.is_mapping()) next = node.find(part);
    if (node.is_list()) {
      size_t index = 0;
      std::from_chars(part.data(), part.data() + part.size(), index);
      for (const Node item : node) {
        if (index-- == 0) next = item;
      }
    }
    if (!next.ok()) return node;
    node = next;
  }
  return node;
}

}  // namespace

bool Reading::check_id(Node node, std::string_view what, bool dashes) {
  if (!node.is_text()) {
    problems_.add("E0413", node.place(), fmt::format("{}: expected an id, found {}", what,
                                                     node.found()),
                  "an id is lower-case letters, digits and _, a letter first");
    return false;
  }
  const std::string_view id = node.text();
  const auto allowed = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || (dashes && c == '-');
  };
  const bool well_formed = !id.empty() && id.size() <= kIdMax && id[0] >= 'a' && id[0] <= 'z' &&
                           std::all_of(id.begin(), id.end(), allowed);
  if (!well_formed) {
    std::string better;
    for (const char c : id.substr(0, kIdMax)) {
      const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      if (allowed(lower)) better += lower;
      if (!allowed(lower) && !better.empty() && better.back() != '_') better += '_';
    }
    const bool usable = !better.empty() && better[0] >= 'a' && better[0] <= 'z';
    problems_.add("E0413", node.place(),
                  fmt::format("{}: expected an id of 1 to 64 characters [a-z0-9_{}], a letter "
                              "first; found {}", what, dashes ? "-" : "", quoted(id)),
                  usable ? fmt::format("write {}", better) : "");
    return false;
  }
  if (std::find(std::begin(kJinjaWords), std::end(kJinjaWords), id) != std::end(kJinjaWords)) {
    problems_.add("E0413", node.place(),
                  fmt::format("{}: '{}' is a word of the expression language", what, id),
                  fmt::format("write {}_step, or another name", id));
    return false;
  }
  return true;
}

json::Value Reading::read_schema(Node node, const std::string& where) {
  json::Value value = node.to_json();
  const auto schema = schema::Schema::parse(value);
  if (!schema.ok()) {
    const Error& error = schema.error();
    problems_.add("E0419", node_at(node, error.message).place(),
                  fmt::format("{}: {}", where, error.message), error.hint);
    return nullptr;
  }
  for (const schema::UnknownKeyword& unknown : schema->unknown_keywords()) {
    warnings_.add("E0419", node_at(node, unknown.place + ": ").place(),
                  fmt::format("{}: {}: the keyword {} says nothing in JSON Schema 2020-12", where,
                              unknown.place, quoted(unknown.keyword)),
                  unknown.hint);
  }
  return value;
}

// ---- parts -----------------------------------------------------------------------------------

Retry Reading::read_retry(Node node, const std::string& where, Retry retry) {
  Fields fields(node, where + ": retry", problems_);
  if (!fields.ok()) return retry;
  if (const auto n = fields.integer("attempts", 1, 1000)) {
    retry.attempts = static_cast<uint32_t>(*n);
  }
  if (const auto w = fields.word("backoff", {"fixed", "linear", "exponential"})) {
    retry.backoff = static_cast<Backoff>(*w);
  }
  if (const auto us = fields.duration_us("initial")) retry.initial_us = *us;
  if (const auto us = fields.duration_us("max")) retry.max_us = *us;
  if (const auto on = fields.boolean("jitter")) retry.jitter = *on;
  if (const auto us = fields.duration_us("attempt_timeout")) retry.attempt_timeout_us = *us;
  fields.finish();
  return retry;
}

StepDefaults Reading::read_defaults(Node node) {
  StepDefaults defaults;
  Fields fields(node, "defaults", problems_);
  if (!fields.ok()) return defaults;
  if (const Node retry = fields.any("retry"); retry.ok()) {
    StepExtras extras;
    extras.retry = read_retry(retry, "defaults", {});
    defaults.extras = std::make_shared<StepExtras>(std::move(extras));
  }
  if (const auto us = fields.duration_us("timeout")) defaults.timeout_us = *us;
  fields.finish();
  return defaults;
}

WorkflowConfig Reading::read_config(Node node) {
  WorkflowConfig config;
  Fields fields(node, "workflow_config", problems_);
  if (!fields.ok()) return config;
  if (const Node modes = fields.any("mode_selection"); modes.ok()) {
    Fields selection(modes, "mode_selection", problems_);
    if (!selection.ok()) return config;
    for (const Node key : modes) {
      const auto mode = selection.word(key.text(), {"non_reasoning", "reasoning", "adaptive"});
      if (mode) config.mode_selection.emplace_back(key.text(), key.value().text());
    }
    modes_ = config.mode_selection;
  }
  if (const Node targets = fields.any("optimization_targets"); targets.ok()) {
    Fields target(targets, "optimization_targets", problems_);
    config.speed = target.number("speed", 0, 1).value_or(config.speed);
    config.accuracy = target.number("accuracy", 0, 1).value_or(config.accuracy);
    config.resource = target.number("resource", 0, 1).value_or(config.resource);
    target.finish();
  }
  fields.finish();
  return config;
}

// ---- steps -----------------------------------------------------------------------------------

std::shared_ptr<const ScheduleSpec> Reading::read_schedule(YamlTree::Node node) {
  if (!node.ok()) return nullptr;
  auto spec = std::make_shared<ScheduleSpec>();
  Fields fields(node, "schedule", problems_);
  spec->cron = fields.text("cron").value_or("");
  spec->every_us = fields.duration_us("every").value_or(0);
  spec->timezone = fields.text("timezone").value_or("UTC");
  spec->time_as = fields.text("time_as").value_or("");
  if (const auto word = fields.word("missed", {"once", "skip", "all"})) {
    spec->missed = static_cast<Missed>(*word);
  }
  if (const auto word = fields.word("overlap", {"allow", "skip"})) {
    spec->overlap = static_cast<Overlap>(*word);
  }
  spec->input = json::Object();
  if (const YamlTree::Node input = fields.any("input"); input.ok()) {
    if (input.is_mapping()) {
      spec->input = input.to_json();
    } else {
      fields.wrong(input, "input", "a mapping: the input of its runs");
    }
  }
  fields.finish();
  if (node.is_mapping()) {
    if (const auto table = timetable_of(*spec); !table.ok()) {
      problems_.add(table.error().code, node.place(), "schedule: " + table.error().message,
                    table.error().hint);
    }
  }
  return spec;
}

Step Reading::read_step(Node node, const StepDefaults& defaults, bool is_fallback) {
  Step step;
  step.place = node.place();
  const Node id = node.find("id");
  const std::string kind = is_fallback ? "fallback" : "step";
  const bool named = id.ok() && id.is_text();
  Fields fields(node, named ? fmt::format("{} {}", kind, quoted(id.text(), 64)) : kind, problems_);
  if (!fields.ok()) return step;
  if (fields.required("id", "what other steps call it").ok()) {
    check_id(id, fields.what(), false);
    if (id.is_text()) step.id = id.text();
  }
  step.extras = defaults.extras;
  read_type(fields, step);
  step.timeout_us = timeout_limits_waiting(step) ? 0 : defaults.timeout_us;
  read_parameters(fields, step);
  read_options(fields, step);
  step.attempt_timeout_by_default =
      timeout_limits_waiting(step) && !gives_attempt_timeout(node);
  if (!is_fallback) {
    fields.any("dependencies");  // read when all ids are known
    read_loop(fields, step);
    read_fallbacks(fields, step, defaults);
  }
  fields.finish();
  return step;
}

void Reading::read_type(Fields& fields, Step& step) {
  const Node node = fields.required("type", "one of the step types");
  if (!node.ok()) return;
  if (!node.is_text()) {
    return fields.wrong(node, "type", "one of " + join(step_type_names(), ", "));
  }
  const StepType* type = find_step_type(node.text());
  if (type != nullptr) {
    step.type = type->name;
    return;
  }
  problems_.add("E0416", node.place(),
                fmt::format("{}: unknown step type {}", fields.what(), quoted(node.text())),
                name_hint(node.text(), step_type_names()));
}

void Reading::read_parameters(Fields& fields, Step& step) {
  step.parameters = json::Object{};
  const StepType* type = find_step_type(step.type);
  const Node node = fields.any("parameters");
  if (node.ok() && !node.is_mapping()) return fields.wrong(node, "parameters", "a mapping");
  if (node.ok()) step.parameters = node.to_json();
  if (type == nullptr) return;
  std::vector<std::string> names;
  for (const Parameter& p : type->parameters) names.emplace_back(p.name);
  bool one_found = type->one_of.empty();
  const auto at = node.ok() ? node.place() : fields.place();
  for (const Parameter& p : type->parameters) {
    const Node value = node.ok() ? node.find(p.name) : Node();
    const auto& one_of = type->one_of;
    one_found = one_found || (value.ok() && std::find(one_of.begin(), one_of.end(), p.name) !=
                                                one_of.end());
    if (!value.ok()) {
      if (!p.required) continue;
      problems_.add("E0411", at, fmt::format("{}: expected the parameter '{}' ({}), found none",
                                             fields.what(), p.name, expectation(p.takes)));
      continue;
    }
    // Where an expression stands, its value is judged when it is known.
    if (value.is_text() && may_hold_expression(value.text())) continue;
    if (!fits(p.takes, value)) {
      fields.wrong(value, fmt::format("parameters.{}", p.name), std::string(expectation(p.takes)));
    } else if (p.takes == Takes::kSchema) {
      read_schema(value, fmt::format("{}: parameters.{}", fields.what(), p.name));
    } else if (p.takes == Takes::kDuration) {
      read_duration(value, fmt::format("{}: parameters.{}", fields.what(), p.name), problems_);
    } else if ((p.takes == Takes::kInteger || p.takes == Takes::kNumber) && !stored_ &&
               !is_within(p, value)) {
      fields.wrong(value, fmt::format("parameters.{}", p.name),
                   fmt::format("{} from {} to {}", expectation(p.takes), p.min, p.max));
    } else if (p.takes == Takes::kWord &&
               std::find(p.words.begin(), p.words.end(), value.text()) == p.words.end()) {
      const std::vector<std::string> words(p.words.begin(), p.words.end());
      fields.wrong(value, fmt::format("parameters.{}", p.name), "one of " + join(words, ", "),
                   name_hint(value.text(), words));
    }
  }
  if (!one_found) {
    const std::vector<std::string> words(type->one_of.begin(), type->one_of.end());
    problems_.add("E0411", at, fmt::format("{}: expected one of the parameters {}, found none",
                                           fields.what(), join(words, ", ")));
  }
  if (type->name == "agent" && node.ok() && !stored_) check_agent(fields.what(), node);
  if (type->open || !node.ok()) return;
  const bool thinks = std::find(names.begin(), names.end(), "thinking") != names.end();
  if (thinks && !stored_) {  // runs of older wefts said other things there
    read_parameters_thinking(node, fields.what());
  }
  for (const Node key : node) {
    if (std::find(names.begin(), names.end(), key.text()) != names.end()) continue;
    problems_.add("E0410", key.place(),
                  fmt::format("{}: unknown parameter {} of type {}", fields.what(),
                              quoted(key.text()), type->name),
                  name_hint(key.text(), names));
  }
}

// What `mode`, or the mode of the class, and `thinking` say together. What an expression will say
// is judged when the step runs.
void Reading::read_parameters_thinking(Node parameters, const std::string& what) {
  const Node thinking = parameters.find("thinking");
  if (!thinking.ok() || !thinking.is_mapping()) return;
  json::Value value = thinking.to_json();
  for (const Node key : thinking) {
    const Node member = key.value();
    if (member.is_text() && may_hold_expression(member.text())) {
      value.as_object().erase(key.text());
    }
  }
  const Node given = parameters.find("mode");
  const Node kind = parameters.find("class");
  std::string mode = given.ok() && given.is_text() ? std::string(given.text()) : "";
  for (const auto& [name, selected] : modes_) {
    if (!given.ok() && kind.ok() && kind.is_text() && kind.text() == name) mode = selected;
  }
  if (may_hold_expression(mode)) mode.clear();
  const auto said = step_thinking(mode, &value);
  if (said.ok()) return;
  const std::string& message = said.error().message;
  const size_t dot = message.find('.'), colon = message.find(':');
  Node at = thinking;
  for (const Node key : thinking) {
    if (dot < colon && key.text() == message.substr(dot + 1, colon - dot - 1)) at = key;
  }
  problems_.add(said.error().code, at.place(), fmt::format("{}: parameters.{}", what, message),
                said.error().hint);
}

// The keys that a fallback may carry, too.
void Reading::read_options(Fields& fields, Step& step) {
  if (const auto us = fields.duration_us("timeout")) step.timeout_us = *us;
  if (const Node when = fields.any("when"); when.ok()) {
    if (when.is_text()) {
      step.edit().when = when.text();
    } else {
      fields.wrong(when, "when", "a condition", "a condition is text: \"{{ input.x == 1 }}\"");
    }
  }
  if (const Node retry = fields.any("retry"); retry.ok()) {
    step.edit().retry = read_retry(retry, fields.what(), step.retry());
  }
  if (const Node as = fields.any("output_as"); as.ok()) step.edit().output_as = as.to_json();
  if (auto key = fields.text("idempotency_key")) step.edit().idempotency_key = std::move(*key);
  if (const auto w = fields.word("on_unknown", {"ask", "retry", "fail"})) {
    step.on_unknown = static_cast<OnUnknown>(*w);
  }
}

void Reading::read_loop(Fields& fields, Step& step) {
  if (const Node each = fields.any("for_each"); each.ok()) {
    if (each.is_list() || each.is_text()) {
      step.edit().for_each = each.to_json();
    } else {
      fields.wrong(each, "for_each", "a list, or one {{ }} that yields a list");
    }
  }
  if (const auto n = fields.integer("concurrency", 1, 100'000)) {
    step.concurrency = static_cast<uint32_t>(*n);
    if (step.for_each().is_null()) {
      problems_.add("E0412", fields.place(),
                    fmt::format("{}: concurrency without for_each", fields.what()),
                    "it limits how many items of a loop run at a time");
    }
  }
  if (const auto w = fields.word("on_error", {"fail", "continue"})) {
    step.on_error = static_cast<OnError>(*w);
  }
  if (const auto w = fields.word("join", {"all_ok", "none_failed", "any_ok", "all_done"})) {
    step.join = static_cast<Join>(*w);
  }
  if (const auto n = fields.integer("priority", -1000, 1000)) {
    step.priority = static_cast<int32_t>(*n);
  }
}

void Reading::read_fallbacks(Fields& fields, Step& step, const StepDefaults& defaults) {
  const Node list = fields.any("fallback");
  if (!list.ok()) return;
  if (!list.is_list() || list.size() == 0 || list.size() > 100) {
    return fields.wrong(list, "fallback", "a list of 1 to 100 steps");
  }
  for (const Node item : list) {
    if (!item.is_mapping()) {
      fields.wrong(item, "fallback", "a mapping for each step");
      continue;
    }
    step.edit().fallback.push_back(read_step(item, defaults, true));
  }
}

}  // namespace weft::workflow
