// SPDX-License-Identifier: Apache-2.0
//
// database: one statement with bound values on a connection that the operator has granted by name.
//
//   {connection, query, args: {name: value}, rows_max} -> {rows: [{column: value}], more, changed}
//
// Statements that read are run read-only, whatever the grant; others need a grant for writing, and
// one that was cut off is unknown, since nobody knows whether it was committed.
#include <algorithm>

#include "base/strings.h"
#include "store/foreign.h"
#include "worker/acts.h"
#include "worker/blocking_activity.h"
#include "worker/step_types.h"
#include "worker/tool_settings.h"

namespace weft::worker {
namespace {

constexpr int64_t kRowsMax = 100'000;

struct Work {
  std::string url;
  store::ForeignQuery query;
};

Result<Work> work_of(const StepContext& context) {
  const json::Object& parameters = context.parameters;
  const std::string known[] = {"connection", "query", "args", "rows_max"};
  TRY(only_parameters(parameters, known));
  const std::string name = TRY(text_parameter(parameters, "connection"));
  Work out;
  out.query.sql = TRY(text_parameter(parameters, "query"));
  if (out.query.sql.find('\0') != std::string::npos) {
    return wrong_parameter("query", "SQL", "a zero byte in it");
  }
  if (const json::Value* args = parameters.if_contains("args"); args && !args->is_null()) {
    if (!args->is_object()) {
      return wrong_parameter("args", "a mapping", std::string(json::kind_name(*args)));
    }
    out.query.args = args->get_object();
  }
  if (const json::Value* rows = parameters.if_contains("rows_max"); rows && !rows->is_null()) {
    if (!rows->is_int64() || rows->get_int64() < 1 || rows->get_int64() > kRowsMax) {
      return wrong_parameter("rows_max", fmt::format("an integer from 1 to {}", kRowsMax),
                             json::dump(*rows));
    }
    out.query.rows_max = rows->get_int64();
  }
  if (context.deadline_us != 0) {
    const int64_t left = (context.deadline_us - context.now_us) / 1000;
    out.query.timeout_ms = std::clamp<int64_t>(left, 1, out.query.timeout_ms);
  }
  static const ToolSettings kNothing;
  const ToolSettings& settings = context.services->tools ? *context.services->tools : kNothing;
  const auto found = settings.databases.find(name);
  if (found == settings.databases.end()) {
    std::vector<std::string> names;
    for (const auto& [granted, grant] : settings.databases) names.push_back(granted);
    return make_error("E0626", fmt::format("no database {} is granted to this process",
                                           quoted(name)),
                      names.empty() ? "start it with --database NAME=sqlite:FILE"
                                    : name_hint(name, names));
  }
  out.url = found->second.url;
  out.query.writes = found->second.writes && !store::only_reads(out.query.sql);
  return out;
}

class DatabaseStep final : public StepType {
 public:
  std::string_view name() const override { return "database"; }
  EffectClass effect(const json::Object& parameters, const workflow::Step&) const override {
    const json::Value* sql = parameters.if_contains("query");
    const bool reads = sql == nullptr || !sql->is_string() || store::only_reads(sql->get_string());
    return reads ? EffectClass::kPure : EffectClass::kUnsafe;
  }
  std::optional<ActTarget> target(const json::Object& parameters) const override {
    return ActTarget{word_of(parameters, "connection")};
  }
  Rehearsed rehearse(const StepContext& context) const override {
    return rehearsed(work_of(context), json::Object{{"rows", json::Array()},
                                                    {"more", false}, {"changed", int64_t{0}}});
  }
  Started start(StepContext context, StepDone done) const override {
    auto work = work_of(context);
    if (!work.ok()) return failed(std::move(work).error(), false);
    const bool unsafe = context.effect == EffectClass::kUnsafe;
    Pool& pool = context.services->pools.peers;
    return on_pool(pool, std::move(done),
                   [work = std::move(*work),
                    unsafe](const std::atomic<bool>& stop) mutable -> StepOutcome {
                     work.query.stop = &stop;
                     auto result = store::ask_database(work.url, work.query);
                     if (result.ok()) return StepResult{std::move(*result), {}};
                     const std::string code = result.error().code;
                     if (unsafe && code == "E0507") return StepUnknown{std::move(result).error()};
                     const bool retryable = code == "E0507" || code == "E0504" || code == "E0501";
                     return StepFailure{std::move(result).error(), retryable};
                   });
  }
};

}  // namespace

const StepType& database_step() {
  static const DatabaseStep step;
  return step;
}

}  // namespace weft::worker
