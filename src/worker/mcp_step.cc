// SPDX-License-Identifier: Apache-2.0
//
// mcp: one call of a tool of an MCP server that the operator of this process has named.
//
//   {server, tool, arguments, reads_only} -> its structured content, else its text, else
//                                            {content: [blocks]}
//
// Whose runs may call which server is the operator's word, too: the tenant is the run's.
//
// What a server says about itself is no promise. Only the workflow knows what a call may do: with
// `reads_only: true` it is repeated freely, with an idempotency_key under that key (sent as
// _meta["weft/idempotencyKey"]), else it is unsafe: cut off, it is `unknown`.
#include <algorithm>

#include "base/strings.h"
#include "worker/acts.h"
#include "worker/mcp_client.h"
#include "worker/run_context.h"
#include "worker/step_types.h"

namespace weft::worker {
namespace {

constexpr size_t kMcpErrorBytesMax = 4000;
constexpr size_t kMcpResultBytesMax = size_t{10} << 20;  // as the output of an expression

bool reads_only(const json::Object& parameters) {
  const json::Value* said = parameters.if_contains("reads_only");
  return said != nullptr && said->is_bool() && said->get_bool();
}

// The texts of a result; nothing if a block is something else.
std::optional<std::string> plain_text(const json::Array& blocks) {
  std::string out;
  for (const json::Value& block : blocks) {
    const json::Object* object = block.if_object();
    const json::Value* type = object != nullptr ? object->if_contains("type") : nullptr;
    const json::Value* text = object != nullptr ? object->if_contains("text") : nullptr;
    if (type == nullptr || *type != "text" || text == nullptr || !text->is_string()) {
      return std::nullopt;
    }
    if (!out.empty()) out += '\n';
    out += text->get_string();
  }
  return out;
}

StepOutcome mcp_outcome(McpClient::Answer answer, EffectClass effect, const std::string& tool) {
  if (answer.failure) {
    if (answer.failure->maybe_acted && effect == EffectClass::kUnsafe) {
      return StepUnknown{std::move(answer.failure->error)};
    }
    return StepFailure{std::move(answer.failure->error), answer.failure->may_pass, 0};
  }
  const json::Value* content = answer.result.if_contains("content");
  const json::Array none;
  const json::Array& blocks =
      content != nullptr && content->is_array() ? content->get_array() : none;
  auto text = plain_text(blocks);
  const json::Value* bad = answer.result.if_contains("isError");
  if (bad != nullptr && bad->is_bool() && bad->get_bool()) {
    const std::string said = text ? *text : json::dump(blocks);
    return StepFailure{make_error("E0631", fmt::format("the tool {}: {}", quoted(tool),
                                                       trim(beginning(said, kMcpErrorBytesMax)))),
                       true, 0};
  }
  const json::Value* structured = answer.result.if_contains("structuredContent");
  json::Value output = structured != nullptr && structured->is_object() ? *structured
                       : text ? json::Value(std::move(*text))
                              : json::Value(json::Object{{"content", blocks}});
  const size_t bytes = json::dump(output).size();
  if (bytes > kMcpResultBytesMax) {
    return StepFailure{make_error("E0631", fmt::format("the result of {} has {} bytes, at most {}",
                                                       quoted(tool), bytes, kMcpResultBytesMax),
                                  "ask it for less"), false, 0};
  }
  return StepResult{std::move(output), {}};
}

class McpActivity final : public Activity {
 public:
  McpActivity(McpClient& client, uint64_t call) : client_(client), call_(call) {}
  void cancel() override { client_.cancel(call_); }

 private:
  McpClient& client_;
  const uint64_t call_;
};

class McpStep final : public StepType {
 public:
  std::string_view name() const override { return "mcp"; }
  EffectClass effect(const json::Object& parameters, const workflow::Step& step) const override {
    if (reads_only(parameters)) return EffectClass::kPure;
    return step.idempotency_key().empty() ? EffectClass::kUnsafe : EffectClass::kKeyed;
  }
  std::optional<ActTarget> target(const json::Object& parameters) const override {
    return ActTarget{fmt::format("{}/{}", word_of(parameters, "server"),
                                 word_of(parameters, "tool"))};
  }
  Rehearsed rehearse(const StepContext& context) const override {
    const auto call = call_of(context);
    if (!call.ok()) return Rehearsed(call.error());
    if (context.services->mcp != nullptr && context.services->mcp->knows(*call)) {
      return Rehearsed(json::Value(kNotSent));
    }
    return make_error("E0630", fmt::format("there is no MCP server {}", quoted(call->server)));
  }
  Started start(StepContext context, StepDone done) const override {
    auto call = call_of(context);
    if (!call.ok()) return failed(std::move(call).error(), false);
    McpClient* client = context.services->mcp;
    if (client == nullptr) {
      return failed(make_error("E0610", "this process calls no MCP servers"), false);
    }
    const std::string tool = call->tool;
    const uint64_t id = client->call(
        std::move(*call), [done = std::move(done), effect = context.effect,
                           tool](McpClient::Answer answer) {
          done(mcp_outcome(std::move(answer), effect, tool));
        });
    return {std::nullopt, std::make_unique<McpActivity>(*client, id)};
  }

 private:
  static Result<McpClient::Call> call_of(const StepContext& context) {
    const json::Object& parameters = context.parameters;
    const std::string known[] = {"server", "tool", "arguments", "reads_only"};
    TRY(only_parameters(parameters, known));
    McpClient::Call call;
    call.server = TRY(text_parameter(parameters, "server"));
    call.tool = TRY(text_parameter(parameters, "tool"));
    call.tenant = run_context_from_json(*context.run_context).tenant;
    const json::Value* arguments = parameters.if_contains("arguments");
    if (arguments != nullptr && !arguments->is_object()) {
      return wrong_parameter("arguments", "a mapping", std::string(json::kind_name(*arguments)));
    }
    call.arguments = arguments != nullptr ? *arguments : json::Value(json::Object());
    if (context.effect == EffectClass::kKeyed) call.idempotency_key = context.effect_key;
    if (context.deadline_us != 0) {
      call.timeout_us = std::max<int64_t>(1000, context.deadline_us - context.now_us);
    }
    return call;
  }
};

}  // namespace

const StepType& mcp_step() {
  static const McpStep step;
  return step;
}

}  // namespace weft::worker
