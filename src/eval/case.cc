// SPDX-License-Identifier: Apache-2.0
#include "eval/case.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/digest.h"
#include "base/strings.h"
#include "eval/calls.h"

namespace weft::eval {
namespace {

constexpr size_t kDepthMax = 64;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";  // some editors begin UTF-8 with it
const std::vector<std::string> kMembers = {"id",       "suite", "language", "input",
                                           "messages", "tools", "expect"};
const std::vector<std::string> kOperators = {"$near", "$set", "$equal"};

Error bad_case(std::string message, std::string hint = {}) {
  return make_error("E0920", std::move(message), std::move(hint));
}

Error wrong_kind(std::string_view member, std::string_view expected, const json::Value& found) {
  return bad_case(fmt::format("'{}' should be {}, found {}", member, expected,
                              json::kind_name(found)));
}

Result<std::string> text_member(const json::Object& line, std::string_view member) {
  const json::Value* value = line.if_contains(member);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return wrong_kind(member, "text", *value);
  if (value->as_string().empty()) {
    return bad_case(fmt::format("'{}' is empty", member), "give it a name, or leave it out");
  }
  return std::string(value->as_string());
}

Result<json::Array> list_of_objects(const json::Object& line, std::string_view member) {
  const json::Value* value = line.if_contains(member);
  if (value == nullptr) return json::Array();
  if (!value->is_array()) return wrong_kind(member, "a list of objects", *value);
  for (const json::Value& element : value->as_array()) {
    if (!element.is_object()) return wrong_kind(member, "a list of objects", element);
  }
  return value->as_array();
}

// {"$near": 3, "within": 1}
Result<Expectation> near_of(std::string field, const json::Object& rule) {
  const json::Value& value = rule.at("$near");
  if (!value.is_number()) return wrong_kind("$near", "a number", value);
  double within = 1;
  if (const json::Value* given = rule.if_contains("within")) {
    if (!given->is_number()) return wrong_kind("within", "a number", *given);
    within = given->to_number<double>();
  }
  if (!(within >= 0)) {
    return bad_case(fmt::format("'within' should be 0 or more, found {}", within));
  }
  for (const auto& member : rule) {
    if (member.key() != "$near" && member.key() != "within") {
      return bad_case(fmt::format("'{}' does not belong beside '$near'",
                                  std::string_view(member.key())),
                      "{\"$near\": 3, \"within\": 1}");
    }
  }
  return Expectation{Expectation::Kind::kNear, std::move(field), value, within};
}

Result<Expectation> rule_of(std::string field, const json::Object& rule) {
  const std::string name(rule.begin()->key());
  if (std::ranges::find(kOperators, name) == kOperators.end()) {
    return bad_case(fmt::format("'{}' is no rule of comparison", name),
                    name_hint(name, kOperators));
  }
  if (name == "$near") return near_of(std::move(field), rule);
  const json::Value& value = rule.begin()->value();
  if (rule.size() != 1) {
    return bad_case(fmt::format("'{}' stands alone in its object", name));
  }
  if (name == "$equal") return Expectation{Expectation::Kind::kEqual, std::move(field), value};
  if (!value.is_array()) return wrong_kind("$set", "a list", value);
  return Expectation{Expectation::Kind::kSet, std::move(field), value};
}

Result<Expectation> call_of(const json::Value& value) {
  const char* const kForm = "{\"name\": \"lookup_order\", \"arguments\": {\"order_id\": \"A-1\"}}, "
                            "or null for no call";
  if (value.is_null()) return Expectation{Expectation::Kind::kCall, "$call", value};
  const json::Object* call = value.if_object();
  const json::Value* name = call ? call->if_contains("name") : nullptr;
  const json::Value* arguments = call ? call->if_contains("arguments") : nullptr;
  if (name == nullptr || !name->is_string() || arguments == nullptr || !arguments->is_object() ||
      call->size() != 2) {
    return bad_case("'$call' should be a call with name and arguments", kForm);
  }
  return Expectation{Expectation::Kind::kCall, "$call", value};
}

// RFC 6901: '~' stands for nothing by itself. Such a pointer would lead nowhere in any answer.
Status check_pointer(const std::string& field) {
  for (size_t at = field.find('~'); at != std::string::npos; at = field.find('~', at + 1)) {
    if (at + 1 < field.size() && (field[at + 1] == '0' || field[at + 1] == '1')) continue;
    return bad_case(fmt::format("'expect' has the JSON pointer {}, where byte {} is a '~' without "
                                "0 or 1 behind it", quoted(field), at),
                    "~0 is ~ in a member's name, and ~1 is /");
  }
  return ok_status();
}

Result<Expectation> expectation_of(const std::string& field, const json::Value& value) {
  if (field == "$call") return call_of(value);
  if (field == "$calls") {
    TRY(check_accepted_calls(value));
    return Expectation{Expectation::Kind::kCalls, "$calls", value};
  }
  if (field == "$text") {
    if (!value.is_string()) return wrong_kind("$text", "text", value);
    return Expectation{Expectation::Kind::kText, "$text", value};
  }
  if (field.empty() || field[0] == '$') {
    return bad_case(fmt::format("'expect' has a field {}", quoted(field)),
                    "a field of the answer, a JSON pointer (/order/id), $call, $calls or $text");
  }
  if (field[0] == '/') TRY(check_pointer(field));
  const json::Object* rule = value.if_object();
  const bool has_rule =
      rule != nullptr && !rule->empty() && std::string_view(rule->begin()->key()).starts_with('$');
  if (has_rule) return rule_of(field, *rule);
  return Expectation{Expectation::Kind::kEqual, field, value};
}

Status read_expect(const json::Object& line, Case& out) {
  const json::Value* expect = line.if_contains("expect");
  if (expect == nullptr) {
    return bad_case("'expect' is missing", "\"expect\": {\"category\": \"billing\"}");
  }
  if (!expect->is_object()) return wrong_kind("expect", "an object", *expect);
  for (const auto& member : expect->as_object()) {
    out.expect.push_back(TRY(expectation_of(std::string(member.key()), member.value())));
  }
  if (out.expect.empty()) {
    return bad_case("'expect' is empty", "name one field that a right answer has");
  }
  return ok_status();
}

Status read_input(const json::Object& line, Case& out) {
  const json::Value* input = line.if_contains("input");
  out.messages = TRY(list_of_objects(line, "messages"));
  out.tools = TRY(list_of_objects(line, "tools"));
  if ((input != nullptr) == !out.messages.empty()) {
    return bad_case(input != nullptr ? "'input' and 'messages' exclude each other"
                                     : "expected 'input' or 'messages'",
                    "\"input\": \"I was charged twice\", or \"messages\": [{\"role\": \"user\", "
                    "\"content\": …}]");
  }
  if (input == nullptr) return ok_status();
  if (!input->is_string() && !input->is_object()) {
    return wrong_kind("input", "text, or an object with a workflow's input", *input);
  }
  out.input = *input;
  return ok_status();
}

std::string digest_of(const Case& item) {
  const json::Value whole = json::Array{item.input, item.messages, item.tools};
  return sha256_hex(json::canonical(whole)).substr(0, 12);
}

Result<Case> case_of(std::string_view text) {
  const json::Value value = TRY(json::parse(text, {.depth_max = kDepthMax}));
  if (!value.is_object()) {
    return bad_case(fmt::format("a case should be an object, found {}", json::kind_name(value)),
                    "{\"input\": …, \"expect\": {…}}");
  }
  const json::Object& line = value.as_object();
  for (const auto& member : line) {
    const std::string name(member.key());
    if (std::ranges::find(kMembers, name) == kMembers.end()) {
      return bad_case(fmt::format("a case has no member {}", quoted(name)),
                      name_hint(name, kMembers));
    }
  }
  Case out;
  out.suite = TRY(text_member(line, "suite"));
  out.id = TRY(text_member(line, "id"));
  out.language = TRY(text_member(line, "language"));
  TRY(read_input(line, out));
  TRY(read_expect(line, out));
  if (out.id.empty()) out.id = digest_of(out);
  return out;
}

// "dir/handwritten.jsonl" -> "handwritten"
std::string stem_of(std::string_view file) {
  if (const size_t slash = file.rfind('/'); slash != std::string_view::npos) {
    file.remove_prefix(slash + 1);
  }
  const size_t dot = file.rfind('.');
  return std::string(dot == std::string_view::npos || dot == 0 ? file : file.substr(0, dot));
}

}  // namespace

bool Case::expects_call() const {
  return std::ranges::any_of(expect, [](const Expectation& e) {
    return (e.kind == Expectation::Kind::kCall && !e.value.is_null()) ||
           (e.kind == Expectation::Kind::kCalls && !e.value.as_array().empty());
  });
}

std::string Case::input_text() const {
  if (input.is_string()) return std::string(input.as_string());
  if (input.is_object()) return json::dump(input, {.spaces = true});
  const json::Value* content = messages.back().as_object().if_contains("content");
  return content != nullptr && content->is_string() ? std::string(content->as_string())
                                                    : json::dump(messages, {.spaces = true});
}

Result<std::vector<Case>> read_cases(std::string_view text, const std::string& file,
                                     const ReadLimits& limits) {
  std::vector<Case> cases;
  std::map<std::pair<std::string, std::string>, std::string> seen;  // (suite, id) to its place
  int number = 0;
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  for (std::string_view line : split(text, '\n')) {
    const std::string place = fmt::format("{}:{}", file, ++number);
    line = trim(line);
    if (line.empty()) continue;
    if (line.size() > limits.line_bytes_max) {
      return bad_case(fmt::format("{}: {} bytes in one line, at most {}", place, line.size(),
                                  limits.line_bytes_max));
    }
    if (cases.size() == limits.cases_max) {
      return bad_case(fmt::format("{}: more than {} cases", place, limits.cases_max),
                      "split the file");
    }
    auto read = case_of(line);
    if (!read.ok()) {
      return bad_case(fmt::format("{}: {}", place, read.error().message), read.error().hint);
    }
    if (read->suite.empty()) read->suite = stem_of(file);
    read->place = place;
    const auto [at, fresh] = seen.try_emplace({read->suite, read->id}, place);
    if (!fresh) {
      return bad_case(fmt::format("{}: the id '{}' of suite '{}' is also that of {}", place,
                                  read->id, read->suite, at->second),
                      "the same case twice? else give each an id of its own");
    }
    cases.push_back(std::move(read).value());
  }
  if (cases.empty()) {
    return bad_case(fmt::format("{}: there is no case in it", file),
                    "one JSON object a line: {\"input\": …, \"expect\": {…}}");
  }
  return cases;
}

}  // namespace weft::eval
