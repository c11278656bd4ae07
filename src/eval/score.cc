// SPDX-License-Identifier: Apache-2.0
#include "eval/score.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/code_fence.h"
#include "base/strings.h"
#include "eval/calls.h"

namespace weft::eval {
namespace {

constexpr size_t kShownBytesMax = 4000;

std::string shown(std::string_view text) {
  if (text.size() <= kShownBytesMax) return std::string(text);
  size_t end = kShownBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "…";
}

bool is_plain(const json::Value& value) { return !value.is_object() && !value.is_array(); }

std::string label_of(const json::Value* value) {
  if (value == nullptr) return "(none)";
  if (value->is_string()) return shown(std::string_view(value->as_string()));
  return shown(json::dump(*value));
}

// A member, or what a JSON pointer leads to; null if there is nothing.
const json::Value* find(const Answer& answer, std::string_view field) {
  if (!answer.has_value) return nullptr;
  if (!field.starts_with('/')) {
    const json::Object* object = answer.value.if_object();
    return object != nullptr ? object->if_contains(field) : nullptr;
  }
  boost::json::error_code failed;
  return answer.value.find_pointer(field, failed);
}

bool same_set(const json::Array& expected, const json::Value* found) {
  if (found == nullptr || !found->is_array()) return false;
  std::set<std::string> a, b;
  for (const json::Value& element : expected) a.insert(json::canonical(element));
  for (const json::Value& element : found->as_array()) b.insert(json::canonical(element));
  return a == b && expected.size() == found->as_array().size();
}

bool is_near(const json::Value& expected, const json::Value* found, double within) {
  if (found == nullptr || !found->is_number()) return false;
  return std::abs(found->to_number<double>() - expected.to_number<double>()) <= within;
}

// The probability of the value found, from the first answer of a model that has it.
std::optional<double> probability_of(const Answer& answer, std::string_view field,
                                     const json::Value& found) {
  const size_t slash = field.rfind('/');
  for (const Answer::Spelling& spelling : answer.spellings) {
    const std::string_view json = without_code_fence(spelling.text);
    // A workflow may hand a model's field on below another name in front: /classify/category.
    const std::string_view names[] = {
        field, slash == std::string_view::npos ? field : field.substr(slash + 1)};
    for (const std::string_view name : names) {
      const auto range = text::value_range(json, name);
      if (!range) continue;
      const auto value = weft::json::parse(json.substr(range->begin, range->end - range->begin));
      if (!value.ok() || !same_value(*value, found)) continue;
      return text::field_probability(spelling.tokens, json, name);
    }
  }
  return std::nullopt;
}

class Scorer {
 public:
  Scorer(const Answer& answer, CaseResult& result) : answer_(answer), result_(result) {}

  // Each returns whether the field counts as right for "all".
  bool score(const Expectation& e) {
    switch (e.kind) {
      case Expectation::Kind::kCall: return score_call(e);
      case Expectation::Kind::kCalls: return score_calls(e.value.as_array());
      case Expectation::Kind::kText: return mark("$text", text_matches(e));
      case Expectation::Kind::kSet:
        return mark(e.field, same_set(e.value.as_array(), find(answer_, e.field)));
      case Expectation::Kind::kNear: {
        add_outcome(e);
        const json::Value* found = find(answer_, e.field);
        mark(e.field, found != nullptr && same_value(e.value, *found));
        return mark(fmt::format("{} within {}", e.field, e.within),
                    is_near(e.value, found, e.within));
      }
      case Expectation::Kind::kEqual: break;
    }
    if (is_plain(e.value)) add_outcome(e);
    const json::Value* found = find(answer_, e.field);
    return mark(e.field, found != nullptr && same_value(e.value, *found));
  }
  bool mark(std::string measure, bool right) {
    result_.marks.push_back({std::move(measure), right});
    return right;
  }

 private:
  bool text_matches(const Expectation& e) const {
    return !answer_.error && trim(answer_.text) == trim(std::string_view(e.value.as_string()));
  }
  bool score_call(const Expectation& e) {
    const bool one = answer_.tool_calls.size() == 1;
    const std::string found = one                          ? called_name(answer_.tool_calls[0])
                              : answer_.tool_calls.empty() ? "(none)"
                                                           : "(several)";
    const bool expected = !e.value.is_null();
    const std::string name =
        expected ? std::string(e.value.as_object().at("name").as_string()) : "(none)";
    const bool right_name = !answer_.error && name == found;
    result_.fields.push_back({"$call", name, found, right_name, std::nullopt});
    mark("$call name", right_name);
    if (!expected) return mark("$call", right_name);
    return mark("$call", right_name && one && same_arguments(e.value.as_object()));
  }
  bool score_calls(const json::Array& accepted) {
    const bool answered = !answer_.error;
    mark("$calls names", answered && call_names_accepted(accepted, answer_.tool_calls));
    return mark("$calls", answered && calls_accepted(accepted, answer_.tool_calls));
  }
  bool same_arguments(const json::Object& expected) const {
    const json::Object& function =
        answer_.tool_calls[0].as_object().at("function").as_object();
    const json::Value* arguments = function.if_contains("arguments");
    return arguments != nullptr && same_value(expected.at("arguments"), *arguments);
  }
  void add_outcome(const Expectation& e) {
    const json::Value* found = find(answer_, e.field);
    FieldOutcome outcome{e.field, label_of(&e.value), label_of(found), false, std::nullopt};
    outcome.right = found != nullptr && same_value(e.value, *found);
    if (found != nullptr && is_plain(*found)) {
      outcome.probability = probability_of(answer_, e.field, *found);
    }
    result_.fields.push_back(std::move(outcome));
  }

  const Answer& answer_;
  CaseResult& result_;
};

bool is_valid(const Case& item, const Answer& answer) {
  if (answer.error) return false;
  if (item.expects_call()) return !answer.tool_calls.empty();
  const bool wants_fields = std::ranges::any_of(item.expect, [](const Expectation& e) {
    return e.kind < Expectation::Kind::kCall;
  });
  return !wants_fields || (answer.has_value && answer.value.is_object());
}

std::string expected_text(const Case& item) {
  json::Object out;
  for (const Expectation& e : item.expect) out[e.field] = e.value;
  return shown(json::dump(out, {.spaces = true}));
}

std::string answer_text(const Answer& answer) {
  if (answer.error) return shown(answer.error->text());
  if (!answer.tool_calls.empty()) {
    return shown(answer.text + json::dump(answer.tool_calls, {.spaces = true}));
  }
  if (answer.text.empty() && answer.has_value) {
    return shown(json::dump(answer.value, {.spaces = true}));
  }
  return shown(answer.text);
}

}  // namespace

const Mark* CaseResult::mark(std::string_view measure) const& {
  for (const Mark& m : marks) {
    if (m.measure == measure) return &m;
  }
  return nullptr;
}

// Depth is bounded by that of parsed JSON.
bool same_value(const json::Value& a, const json::Value& b) {
  if (a.is_number() && b.is_number()) {
    if (!a.is_double() && !b.is_double()) return a == b;
    return a.to_number<double>() == b.to_number<double>();
  }
  if (a.kind() != b.kind()) return false;
  if (a.is_array()) {
    return std::ranges::equal(a.as_array(), b.as_array(), same_value);
  }
  if (!a.is_object()) return a == b;
  if (a.as_object().size() != b.as_object().size()) return false;
  return std::ranges::all_of(a.as_object(), [&](const auto& member) {
    const json::Value* other = b.as_object().if_contains(member.key());
    return other != nullptr && same_value(member.value(), *other);
  });
}

Answer answer_of_text(std::string text) {
  Answer answer;
  auto value = json::parse(without_code_fence(text));
  answer.has_value = value.ok();
  if (value.ok()) answer.value = std::move(value).value();
  answer.text = std::move(text);
  return answer;
}

CaseResult score(const Case& item, const Answer& answer) {
  CHECK(!item.expect.empty());
  CaseResult result;
  result.suite = item.suite;
  result.id = item.id;
  result.language = item.language;
  result.input = shown(item.input_text());
  result.expected = expected_text(item);
  result.answer = answer_text(answer);
  if (answer.error) result.error = answer.error->code;
  result.seconds = answer.seconds;
  result.tokens_prompt = answer.tokens_prompt;
  result.tokens_reasoning = answer.tokens_reasoning;
  result.tokens_answer = answer.tokens_answer;
  Scorer scorer(answer, result);
  bool all = true;
  for (const Expectation& e : item.expect) all = scorer.score(e) && all;
  scorer.mark("$valid", is_valid(item, answer));
  scorer.mark("$all", all && is_valid(item, answer));
  return result;
}

}  // namespace weft::eval
