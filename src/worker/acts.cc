// SPDX-License-Identifier: Apache-2.0
#include "worker/acts.h"

#include <algorithm>
#include <array>

#include "base/digest.h"
#include "base/strings.h"

namespace weft::worker {
namespace {

constexpr size_t kTargetBytesMax = 300;

std::string in_short(const std::string& text) {
  if (text.size() <= kTargetBytesMax) return text;
  return std::string(beginning(text, kTargetBytesMax)) + "…";
}

// A guard of ours, or a grant that is missing, said no: nothing was done.
bool is_refusal(std::string_view code) {
  constexpr std::array<std::string_view, 5> kCodes = {"E0603", "E0608", "E0626", "E0801", "E0809"};
  return std::ranges::find(kCodes, code) != kCodes.end();
}

}  // namespace

std::optional<ActRow> act_of_step(const StepType& type, const json::Object& parameters) {
  auto target = type.target(parameters);
  if (!target || !target->recorded) return std::nullopt;
  return ActRow{.type = std::string(type.name()),
                .target = in_short(std::move(target->name)),
                .arguments_hash = sha256_hex(json::canonical(json::Value(parameters)))};
}

ActRow act_of_call(std::string_view tool, const json::Value& arguments) {
  return {.tool = in_short(std::string(tool)),
          .arguments_hash = sha256_hex(json::canonical(arguments))};
}

void aim_act(ActRow& act, const StepType& type, const json::Object& parameters) {
  act.type = type.name();
  if (auto target = type.target(parameters)) act.target = in_short(std::move(target->name));
}

void end_act(ActRow& act, const StepOutcome& outcome, bool began) {
  if (std::holds_alternative<StepUnknown>(outcome)) {
    act.outcome = "unknown";
    act.code = std::get<StepUnknown>(outcome).error.code;
  } else if (const auto* failure = std::get_if<StepFailure>(&outcome)) {
    act.code = failure->error.code;
    act.outcome = !began || is_refusal(act.code) ? "refused" : "failed";
  } else {
    act.outcome = "ok";
  }
}

std::string origin_of(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  const std::string_view rest = url.substr(scheme + 3);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#\\"));
  const size_t user = authority.rfind('@');
  const std::string_view host =
      user == std::string_view::npos ? authority : authority.substr(user + 1);
  return std::string(url.substr(0, scheme + 3)) + std::string(host);
}

std::string word_of(const json::Object& parameters, std::string_view name) {
  const json::Value* value = parameters.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

}  // namespace weft::worker
