// SPDX-License-Identifier: Apache-2.0
#include "workflow/catalog.h"

namespace weft::workflow {
namespace {

using enum Takes;

constexpr std::string_view kModes[] = {"non_reasoning", "reasoning", "adaptive"};
constexpr std::string_view kMethods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE",
                                         "OPTIONS"};
constexpr std::string_view kActions[] = {"read", "parse", "list", "write", "append", "delete"};
constexpr std::string_view kFormats[] = {"text", "json", "csv", "pdf"};
constexpr std::string_view kOnTimeout[] = {"approve", "reject", "fail", "escalate"};
constexpr std::string_view kOnReject[] = {"fail", "continue"};
constexpr std::string_view kChannels[] = {"webhook", "email", "chat"};

// What all steps that ask a model may say about sampling.
constexpr Parameter kTemperature = {"temperature", kNumber, false, {}, 0, 100};
constexpr Parameter kTopP = {"top_p", kNumber, false, {}, 0, 1};
constexpr Parameter kTopK = {"top_k", kInteger, false, {}, -1, 1 << 30};
constexpr Parameter kMinP = {"min_p", kNumber, false, {}, 0, 1};

constexpr Parameter kLlm[] = {
    {"model", kText}, {"class", kText}, {"mode", kWord, false, kModes}, {"system", kPrompt},
    {"prompt", kPrompt}, {"messages", kList}, {"output", kSchema}, {"thinking", kMapping},
    {"max_tokens", kInteger, false, {}, 1, 1 << 30}, kTemperature,
    kTopP, kTopK,
    kMinP, {"repetition_penalty", kNumber, false, {}, 0, 1000},
    {"presence_penalty", kNumber, false, {}, -100, 100},
    {"frequency_penalty", kNumber, false, {}, -100, 100}, {"seed", kInteger},
    {"stop", kAnything}, {"complexity", kNumber, false, {}, 0, 1},
    {"samples", kInteger, false, {}, 1, 1}};  // several are not drawn: more would do nothing
constexpr Parameter kAgent[] = {
    {"goal", kPrompt, true}, {"tools", kList}, {"approve_tools", kList},
    {"approve_timeout", kDuration}, {"approve_role", kText},
    {"max_turns", kInteger, false, {}, 1, 64}, {"tool_errors", kInteger, false, {}, 0, 64},
    {"model", kText}, {"class", kText},
    {"mode", kWord, false, kModes}, {"system", kPrompt}, {"output", kSchema},
    {"thinking", kMapping}, {"max_tokens", kInteger, false, {}, 1, 1 << 20},
    kTemperature, kTopP,
    kTopK, kMinP,
    {"seed", kInteger}};
constexpr Parameter kHttp[] = {
    {"method", kWord, false, kMethods}, {"url", kText, true}, {"headers", kMapping},
    {"query", kMapping}, {"body", kAnything}, {"json", kAnything}, {"form", kMapping},
    {"expect_status", kAnything}, {"follow_redirects", kBoolean}, {"bytes_max", kInteger}};
constexpr Parameter kFile[] = {
    {"action", kWord, true, kActions}, {"path", kText, true}, {"content", kAnything},
    {"format", kWord, false, kFormats}, {"separator", kText}, {"header", kBoolean}};
constexpr Parameter kValidate[] = {{"value", kAnything, true}, {"schema", kSchema, true}};
constexpr Parameter kWait[] = {{"for", kDuration}, {"until", kText}};
constexpr Parameter kDatabase[] = {
    {"connection", kText, true}, {"query", kText, true}, {"args", kAnything},
    {"rows_max", kInteger, false, {}, 1, 100'000}};
constexpr Parameter kNotification[] = {
    {"channel", kWord, true, kChannels}, {"to", kAnything, true}, {"subject", kText},
    {"text", kPrompt, true}, {"headers", kMapping}};
constexpr Parameter kShell[] = {
    {"command", kAnything, true}, {"stdin", kText}, {"directory", kText},
    {"environment", kMapping}};
constexpr Parameter kMcp[] = {
    {"server", kText, true}, {"tool", kText, true}, {"arguments", kAnything},
    {"reads_only", kBoolean}};
constexpr Parameter kApproval[] = {
    {"role", kText, true}, {"assignees", kList}, {"title", kText}, {"show", kAnything},
    {"on_timeout", kWord, false, kOnTimeout}, {"escalate_to", kText},
    {"on_reject", kWord, false, kOnReject}};
constexpr Parameter kSignal[] = {{"name", kText, true}, {"schema", kSchema}};
constexpr Parameter kWorkflow[] = {
    {"workflow", kText, true}, {"input", kMapping}, {"version", kText}};
constexpr Parameter kPlan[] = {
    {"goal", kPrompt}, {"steps", kAnything}, {"types", kList},
    {"max_steps", kInteger, false, {}, 1, 1'000}, {"input", kMapping}, {"model", kText},
    {"class", kText}, {"mode", kWord, false, kModes}, {"system", kPrompt},
    {"thinking", kMapping}, {"max_tokens", kInteger, false, {}, 1, 1 << 30},
    kTemperature, kTopP,
    kTopK, kMinP,
    {"seed", kInteger}};

constexpr std::string_view kBuiltinTools[] = {"api_client", "database", "file_processor",
                                              "notification", "shell"};
constexpr std::string_view kPromptOrMessages[] = {"prompt", "messages"};
constexpr std::string_view kGoalOrSteps[] = {"goal", "steps"};
constexpr std::string_view kForOrUntil[] = {"for", "until"};

constexpr StepType kTypes[] = {
    {.name = "llm", .alias = "", .parameters = kLlm, .one_of = kPromptOrMessages},
    {.name = "agent", .alias = "", .parameters = kAgent, .effects = true},
    {.name = "http", .alias = "api_client", .parameters = kHttp, .effects = true,
     .secrets = true},
    {.name = "set", .alias = "", .parameters = {}, .open = true},
    {.name = "validate", .alias = "", .parameters = kValidate},
    {.name = "file", .alias = "file_processor", .parameters = kFile, .effects = true},
    {.name = "wait", .alias = "", .parameters = kWait, .one_of = kForOrUntil},
    {.name = "database", .alias = "", .parameters = kDatabase, .effects = true},
    {.name = "notification", .alias = "", .parameters = kNotification, .effects = true,
     .secrets = true},
    {.name = "shell", .alias = "", .parameters = kShell, .effects = true},
    {.name = "mcp", .alias = "", .parameters = kMcp, .effects = true},
    {.name = "approval", .alias = "", .parameters = kApproval},
    {.name = "signal", .alias = "", .parameters = kSignal},
    {.name = "workflow", .alias = "", .parameters = kWorkflow, .effects = true},
    {.name = "plan", .alias = "", .parameters = kPlan, .effects = true,
     .one_of = kGoalOrSteps},
};

}  // namespace

std::span<const StepType> step_types() { return kTypes; }

const StepType* find_step_type(std::string_view name) {
  for (const StepType& type : kTypes) {
    if (type.name == name || (!type.alias.empty() && type.alias == name)) return &type;
  }
  return nullptr;
}

std::vector<std::string> step_type_names() {
  std::vector<std::string> names;
  for (const StepType& type : kTypes) {
    names.emplace_back(type.name);
    if (!type.alias.empty()) names.emplace_back(type.alias);
  }
  return names;
}

std::span<const std::string_view> builtin_tool_names() { return kBuiltinTools; }

}  // namespace weft::workflow
