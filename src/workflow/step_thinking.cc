// SPDX-License-Identifier: Apache-2.0
#include "workflow/step_thinking.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/strings.h"

namespace weft::workflow {
namespace {

const std::vector<std::string>& known_members() {
  static const std::vector<std::string> kKnown = {"budget_tokens", "limit_tokens"};
  return kKnown;
}

Status check_members(const json::Object& thinking) {
  for (const auto& [name, value] : thinking) {
    if (std::ranges::find(known_members(), std::string_view(name)) != known_members().end()) {
      continue;
    }
    return make_error("E0410", fmt::format("thinking.{}: not known", std::string_view(name)),
                      name == "mode" ? std::string("mode stands beside thinking, not in it")
                                     : name_hint(name, known_members()));
  }
  return ok_status();
}

// The judgement over the fields of a request, in the words of a step.
Result<text::ThinkingRequest> judged(std::string_view mode, json::Object thinking) {
  json::Object body;
  // adaptive thinks where it is not sure.
  if (!mode.empty()) body["enable_thinking"] = mode != "non_reasoning";
  if (!thinking.empty()) body["thinking"] = std::move(thinking);
  auto said = text::parse_thinking(body);
  if (said.ok()) return said;
  std::string message = said.error().message;
  const size_t at = message.find("enable_thinking: ");
  if (at != std::string::npos) message = message.substr(0, at) + fmt::format("mode: {}", mode);
  return make_error("E0412", std::move(message),
                    at == std::string::npos ? said.error().hint
                                            : "take away one of them, or bound thinking by "
                                              "limit_tokens");
}

}  // namespace

Result<StepThinking> step_thinking(std::string_view mode, const json::Value* thinking) {
  StepThinking out;
  if (mode == "non_reasoning") out.mode = text::ThinkingMode::kOff;
  if (mode == "reasoning") out.mode = text::ThinkingMode::kOn;
  if (thinking == nullptr || thinking->is_null()) return out;
  if (!thinking->is_object()) {
    return make_error("E0412", fmt::format("thinking: expected {{budget_tokens, limit_tokens}}, "
                                           "found {}", json::kind_name(*thinking)));
  }
  const json::Object& members = thinking->get_object();
  TRY(check_members(members));
  const json::Value* budget = members.if_contains("budget_tokens");
  if (budget != nullptr && !budget->is_null() && *budget != "auto") {
    out.budget_tokens = TRY(judged(mode, {{"budget_tokens", *budget}})).budget_tokens;
  }
  const json::Value* limit = members.if_contains("limit_tokens");
  if (limit == nullptr || limit->is_null()) return out;
  if (!limit->is_int64() || limit->get_int64() < 0) {
    return make_error("E0412", fmt::format("thinking.limit_tokens: expected a number of tokens, 0 "
                                           "or more, found {}", quoted(json::dump(*limit), 60)));
  }
  const int64_t most = limit->get_int64();
  out.budget_tokens = std::min(out.budget_tokens.value_or(most), most);
  if (most > 0 || mode.empty() || mode == "non_reasoning") return out;
  return make_error("E0412", fmt::format("thinking.limit_tokens: 0 contradicts mode: {}", mode),
                    "mode: non_reasoning answers at once");
}

}  // namespace weft::workflow
