// SPDX-License-Identifier: Apache-2.0
#include "text/thinking.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace weft::text {
namespace {

constexpr std::array<std::string_view, 13> kFields = {
    "enable_thinking", "thinking", "think", "low_effort", "reasoning_effort", "reasoning",
    "output_config", "thinking_token_budget", "thinking_budget_tokens", "reasoning_budget_tokens",
    "thinking_budget", "reasoning_budget", "nvext"};
constexpr std::array<std::string_view, 9> kVariables = {
    "enable_thinking", "thinking", "low_effort", "reasoning_effort", "thinking_token_budget",
    "thinking_budget_tokens", "reasoning_budget_tokens", "thinking_budget", "reasoning_budget"};
constexpr std::array<std::string_view, 5> kBudgets = {
    "thinking_token_budget", "thinking_budget_tokens", "reasoning_budget_tokens",
    "thinking_budget", "reasoning_budget"};

// What an effort affords. A request's max_tokens usually cuts the larger ones; `max` is no bound.
struct Effort {
  std::string_view name;
  int64_t tokens;  // 0 = off, -1 = no bound
};
constexpr std::array<Effort, 7> kEfforts = {{{"none", 0},
                                             {"minimal", 256},
                                             {"low", 1024},
                                             {"medium", 4096},
                                             {"high", 16384},
                                             {"xhigh", 32768},
                                             {"max", -1}}};
constexpr int64_t kBudgetMax = int64_t{1} << 30;

Error wrong(std::string_view field, std::string_view expected, const json::Value& found) {
  return make_error("E0743", fmt::format("{}: expected {}, found {}", field, expected,
                                         quoted(json::dump(found), 60)));
}

// One thing said, and by which field.
struct Saying {
  std::string field;
  std::string text;  // as the client wrote it
};
struct Said {
  std::optional<Saying> on, off, effort, budget;
  const Effort* chosen = nullptr;
  int64_t tokens = 0;  // of `budget`; -1 = no bound

  static Error conflict(const Saying& a, const Saying& b) {
    return make_error("E0743",
                      fmt::format("{}: {} contradicts {}: {}", a.field, a.text, b.field, b.text),
                      "say it once: by one switch, one effort or one budget");
  }
  Status switch_to(bool thinks, Saying word) {
    std::optional<Saying>& same = thinks ? on : off;
    const std::optional<Saying>& other = thinks ? off : on;
    if (other) return conflict(word, *other);
    if (!same) same = std::move(word);
    return ok_status();
  }
  Status set_effort(const json::Value& value, const std::string& field) {
    if (!value.is_string()) return wrong(field, "the name of an effort", value);
    const std::string_view name(value.get_string());
    const auto found = std::find_if(kEfforts.begin(), kEfforts.end(),
                                    [&](const Effort& one) { return one.name == name; });
    if (found == kEfforts.end()) {
      return wrong(field, "none, minimal, low, medium, high, xhigh or max", value);
    }
    Saying word{field, json::dump(value)};
    if (chosen && chosen != &*found) return conflict(word, *effort);
    chosen = &*found;
    if (!effort) effort = word;
    return switch_to(chosen->tokens != 0, std::move(word));
  }
  Status set_budget(const json::Value& value, const std::string& field) {
    if (!value.is_int64() || value.get_int64() < -1 || value.get_int64() > kBudgetMax) {
      return wrong(field, "a number of tokens, 0 for none or -1 for no bound", value);
    }
    Saying word{field, json::dump(value)};
    if (budget && tokens != value.get_int64()) return conflict(word, *budget);
    tokens = value.get_int64();
    if (!budget) budget = word;
    if (tokens < 0) return ok_status();  // says nothing about whether, only that it may be long
    return switch_to(tokens > 0, std::move(word));
  }
};

Status read_switch(const json::Value& value, const std::string& field, Said& said) {
  if (!value.is_bool()) return wrong(field, "true or false", value);
  return said.switch_to(value.get_bool(), {field, json::dump(value)});
}

// {type: enabled | disabled | adaptive, budget_tokens}, or true and false as Granite has it.
Status read_thinking(const json::Value& value, const std::string& field, Said& said) {
  if (!value.is_object()) return read_switch(value, field, said);
  for (const auto& [name, member] : value.get_object()) {
    const std::string place = fmt::format("{}.{}", field, std::string_view(name));
    if (member.is_null()) continue;
    if (name == "budget_tokens") {
      TRY(said.set_budget(member, place));
    } else if (name == "type") {
      if (member != "enabled" && member != "disabled" && member != "adaptive") {
        return wrong(place, "\"enabled\", \"disabled\" or \"adaptive\"", member);
      }
      if (member == "adaptive") continue;
      TRY(said.switch_to(member == "enabled", {place, json::dump(member)}));
    } else if (name != "display") {
      return make_error("E0743", fmt::format("{}: not known", place),
                        name_hint(name, std::vector<std::string>{"type", "budget_tokens",
                                                                 "display"}));
    }
  }
  return ok_status();
}

// Members beside those that were read: a misspelt one must not pass for silence.
Status only_known(const json::Object& object, const std::string& field,
                  const std::vector<std::string>& known) {
  for (const auto& [name, member] : object) {
    if (member.is_null()) continue;
    if (std::find(known.begin(), known.end(), std::string_view(name)) != known.end()) continue;
    return make_error("E0743", fmt::format("{}.{}: not known", field, std::string_view(name)),
                      name_hint(name, known));
  }
  return ok_status();
}

// {effort, max_tokens, enabled} of the responses API and its relatives; `summary` and `exclude`
// ask for how it is shown.
Status read_reasoning(const json::Value& value, const std::string& field, Said& said) {
  if (!value.is_object()) return wrong(field, "an object", value);
  TRY(only_known(value.get_object(), field,
                 {"effort", "max_tokens", "enabled", "summary", "generate_summary", "exclude"}));
  for (const auto& [name, member] : value.get_object()) {
    const std::string place = fmt::format("{}.{}", field, std::string_view(name));
    if (member.is_null()) continue;
    if (name == "effort") TRY(said.set_effort(member, place));
    if (name == "max_tokens") TRY(said.set_budget(member, place));
    if (name == "enabled") TRY(read_switch(member, place, said));
  }
  return ok_status();
}

Status read_member(const json::Value& value, const std::string& field, Said& said) {
  const size_t dot = field.rfind('.');
  const std::string_view name = std::string_view(field).substr(dot == field.npos ? 0 : dot + 1);
  if (name == "enable_thinking") return read_switch(value, field, said);
  if (name == "thinking") return read_thinking(value, field, said);
  if (name == "reasoning_effort") return said.set_effort(value, field);
  if (name == "think") {
    return value.is_string() ? said.set_effort(value, field) : read_switch(value, field, said);
  }
  if (name == "low_effort") {
    if (!value.is_bool()) return wrong(field, "true or false", value);
    return value.get_bool() ? said.set_effort("low", field) : ok_status();
  }
  if (std::find(kBudgets.begin(), kBudgets.end(), name) != kBudgets.end()) {
    return said.set_budget(value, field);
  }
  return ok_status();
}

// Objects of which one member is about thinking.
Status read_nested(const json::Object& body, Said& said) {
  for (const auto& [field, name] : {std::pair("output_config", "effort"),
                                    std::pair("nvext", "max_thinking_tokens")}) {
    const json::Value* value = body.if_contains(field);
    if (value == nullptr || value->is_null()) continue;
    if (!value->is_object()) return wrong(field, "an object", *value);
    TRY(only_known(value->get_object(), field, {name}));
  }
  const auto member = [&](std::string_view object, std::string_view name) -> const json::Value* {
    const json::Value* outer = body.if_contains(object);
    if (outer == nullptr || !outer->is_object()) return nullptr;
    const json::Value* inner = outer->get_object().if_contains(name);
    return inner == nullptr || inner->is_null() ? nullptr : inner;
  };
  if (const json::Value* value = body.if_contains("reasoning"); value && !value->is_null()) {
    TRY(read_reasoning(*value, "reasoning", said));
  }
  if (const json::Value* value = member("output_config", "effort")) {
    TRY(said.set_effort(*value, "output_config.effort"));
  }
  if (const json::Value* value = member("nvext", "max_thinking_tokens")) {
    TRY(said.set_budget(*value, "nvext.max_thinking_tokens"));
  }
  for (const std::string_view name : kVariables) {
    if (const json::Value* value = member("chat_template_kwargs", name)) {
      TRY(read_member(*value, fmt::format("chat_template_kwargs.{}", name), said));
    }
  }
  return ok_status();
}

}  // namespace

Result<ThinkingRequest> parse_thinking(const json::Object& body) {
  Said said;
  for (const std::string_view name : kFields) {
    const json::Value* value = body.if_contains(name);
    if (value == nullptr || value->is_null()) continue;
    TRY(read_member(*value, std::string(name), said));
  }
  TRY(read_nested(body, said));
  ThinkingRequest out;
  if (said.on) out.mode = ThinkingMode::kOn;
  if (said.off) out.mode = ThinkingMode::kOff;
  if (said.budget && said.tokens >= 0) {
    out.budget_tokens = said.tokens;
  } else if (said.chosen && said.chosen->tokens >= 0 && !said.budget) {
    out.budget_tokens = said.chosen->tokens;
  }
  return out;
}

std::span<const std::string_view> thinking_fields() { return kFields; }
std::span<const std::string_view> thinking_variables() { return kVariables; }

int64_t thinking_overrun(int64_t budget) { return std::max<int64_t>(16, budget / 10); }

int64_t thinking_limit(int64_t tokens, int64_t answer_min, int64_t close) {
  const int64_t room = tokens - answer_min - close - 1;  // 1: the marker that opens it
  // The largest b with b + max(16, b / 10) <= room.
  int64_t budget = std::min(room - 16, room - room / 11);
  while (budget > 0 && budget + thinking_overrun(budget) > room) --budget;
  return std::max<int64_t>(0, budget);
}

}  // namespace weft::text
