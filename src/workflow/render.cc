// SPDX-License-Identifier: Apache-2.0
#include "workflow/render.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>

#include "base/env.h"
#include "schema/value.h"
#include "text/jinja.h"
#include "workflow/catalog.h"
#include "workflow/reading.h"

namespace weft::workflow {
namespace {

constexpr size_t kItemsMax = 100'000;
constexpr size_t kHintNamesMax = 1'000;
constexpr int kDepthMax = 64;
constexpr size_t kRenderedBytesMax = size_t{64} << 20;  // as much as a document may have

// Outputs of the steps that `step` depends on, as far as they were there when it began: behind
// join: any_ok others end later. Of all steps, if there is none.
class StepsScope final : public text::Scope {
 public:
  StepsScope(const RenderContext& context, std::optional<uint32_t> step)
      : context_(context), step_(step) {
    if (step) begun_ = context.state.steps[*step].begun_sequence;
  }

  const json::Value* find(std::string_view name) const override {
    const auto id = context_.planner.find(name);
    if (!id || id->item >= 0) return nullptr;
    if (step_ && !context_.planner.graph().depends_on(*step_, id->step)) return nullptr;
    const StepState& state = context_.state.steps[id->step];
    const Execution& e = state.execution;
    const bool succeeded = e.phase == Phase::kEnded && e.end == StepStatus::kSucceeded;
    return succeeded && state.ended_sequence <= begun_ ? &e.output : &null_;
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    const auto& steps = context_.planner.workflow().steps;
    for (uint32_t i = 0; i < steps.size() && names.size() < kHintNamesMax; ++i) {
      if (find(steps[i].id) != nullptr) names.push_back(steps[i].id);
    }
    return names;
  }

 private:
  const RenderContext& context_;
  std::optional<uint32_t> step_;
  uint64_t begun_ = UINT64_MAX;
  json::Value null_;
};

const json::Object kNoSecrets;

// Remembers which secrets were read, so that what holds them can be kept apart.
class SecretsScope final : public text::Scope {
 public:
  explicit SecretsScope(const json::Object& secrets) : secrets_(secrets) {}

  const json::Value* find(std::string_view name) const override {
    const json::Value* value = secrets_.if_contains(name);
    if (value != nullptr && std::find(used.begin(), used.end(), name) == used.end()) {
      used.emplace_back(name);
    }
    return value;
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& secret : secrets_) names.emplace_back(secret.key());
    return names;
  }

  mutable std::vector<std::string> used;

 private:
  const json::Object& secrets_;
};

// All names of one place in one state.
class RunScope final : public text::Scope {
 public:
  struct Options {
    std::optional<ExecutionId> id = {};     // none: the run's output
    const Step* step = nullptr;             // the alternative
    const json::Value* output = nullptr;    // for output_as
    bool secrets = false;                   // are seen
  };
  RunScope(const RenderContext& context, const Options& options)
      : context_(context),
        output_(options.output),
        steps_(context, options.id ? std::optional(options.id->step) : std::nullopt),
        secrets_(options.secrets ? context.secrets : kNoSecrets) {
    const Execution* e = options.id ? find_execution(context.state, *options.id) : nullptr;
    const StepType* type =
        options.step == nullptr ? nullptr : find_step_type(options.step->type);
    if (e != nullptr && type != nullptr && type->effects) attempt_ = e->attempt;
    if (options.id && options.id->item >= 0) {
      const StepState& loop = context.state.steps[options.id->step];
      item_ = &loop.items[static_cast<size_t>(options.id->item)];
      index_ = options.id->item;
    }
  }

  const json::Value* find(std::string_view name) const override {
    if (name == "input") return &context_.state.input;
    if (name == "env") return &context_.state.env;
    if (name == "run") return &run();
    if (name == "item") return item_;
    if (name == "index" && item_ != nullptr) return &index_;
    if (name == "output") return output_;
    return nullptr;
  }
  const text::Scope* nested(std::string_view name) const override {
    if (name == "steps") return &steps_;
    if (name == "secrets") return &secrets_;
    return nullptr;
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> names = {"input", "steps", "run"};
    if (item_ != nullptr) names.insert(names.end(), {"item", "index"});
    if (output_ != nullptr) names.emplace_back("output");
    return names;
  }
  const std::vector<std::string>& secrets_used() const { return secrets_.used; }

 private:
  // Made when first asked for: few templates do, and two dates cost more than the rest of a scope.
  const json::Value& run() const {
    if (!run_.is_null()) return run_;
    const State& s = context_.state;
    json::Object run{{"id", s.run}, {"started", iso8601(s.started_us)}, {"deadline", nullptr}};
    if (s.deadline_us != 0) run["deadline"] = iso8601(s.deadline_us);
    if (attempt_) run.emplace("attempt", *attempt_);
    return run_ = std::move(run);
  }

  const RenderContext& context_;
  const json::Value* output_;
  StepsScope steps_;
  SecretsScope secrets_;
  mutable json::Value run_;
  std::optional<uint32_t> attempt_;
  const json::Value* item_ = nullptr;
  json::Value index_;
};

// Where a template stands: a chain on the stack that becomes text only when an error needs it.
struct Where {
  std::string_view step;           // path of the step; empty: the run's output
  std::string_view what;           // "when", or the key of a member
  const Where* outer = nullptr;
  int64_t index = -1;              // of a list's item instead of a key

  std::string text() const {  // NOLINT(misc-no-recursion): kDepthMax
    if (outer != nullptr) {
      return index >= 0 ? fmt::format("{}[{}]", outer->text(), index)
                          : fmt::format("{}.{}", outer->text(), what);
    }
    return step.empty() ? std::string(what) : fmt::format("step '{}': {}", step, what);
  }
};

Error expression_failed(const Error& error, const Where& where) {
  Error out = make_error("E0450", fmt::format("{}: {}", where.text(), error.message), error.hint);
  const bool no_secrets = error.message.find("'secrets.") != error.message.npos &&
                          out.hint == "the map is empty";  // text/jinja, of a scope without names
  if (no_secrets) {
    out.hint = "secrets are declared in weft.yaml (--config), and seen by `when` and by the "
               "parameters of http and notification steps alone";
  }
  out.cause = std::make_shared<Error>(error);
  return out;
}

// The names of one place, and how much its expressions may still yield: each is bounded by itself,
// but a short document may hold many.
struct Rendering {
  const text::Scope& scope;
  size_t left = kRenderedBytesMax;

  Status pay(size_t bytes, const Where& where) {
    if (bytes > left) {
      return make_error("E0450", fmt::format("{}: expected at most {} bytes from the expressions "
                                             "of one step together, found more", where.text(),
                                             kRenderedBytesMax),
                        "pass on the part that is needed, or put large data into a file");
    }
    left -= bytes;
    return ok_status();
  }
};

Result<json::Value> render_text(std::string_view source, Rendering& rendering,
                                const Where& where) {
  if (!may_hold_expression(source)) return json::Value(source);
  auto parsed = text::Interpolation::parse(source);
  if (!parsed.ok()) return expression_failed(parsed.error(), where);
  auto value = parsed->evaluate(rendering.scope);
  if (!value.ok()) return expression_failed(value.error(), where);
  TRY(rendering.pay(schema::weight(*value), where));
  return value;
}

// Strings anywhere in `value`; keys of objects stay as they are.
Result<json::Value> render_value(const json::Value& value, Rendering& rendering,
                                 const Where& where, int depth = 0) {
  CHECK(depth <= kDepthMax, "the loader bounds nesting");
  if (value.is_string()) return render_text(value.get_string(), rendering, where);
  if (value.is_array()) {
    json::Array out;
    out.reserve(value.get_array().size());
    for (size_t i = 0; i < value.get_array().size(); ++i) {
      const Where inner{
          .step = {}, .what = {}, .outer = &where, .index = static_cast<int64_t>(i)};
      out.push_back(TRY(render_value(value.get_array()[i], rendering, inner, depth + 1)));
    }
    return json::Value(std::move(out));
  }
  if (value.is_object()) {
    json::Object out;
    out.reserve(value.get_object().size());
    for (const auto& member : value.get_object()) {
      const Where inner{.step = {}, .what = member.key(), .outer = &where};
      out.emplace(member.key(), TRY(render_value(member.value(), rendering, inner, depth + 1)));
    }
    return json::Value(std::move(out));
  }
  return value;
}

Result<bool> render_condition(const std::string& when, const text::Scope& scope,
                              const Where& where) {
  if (when.empty()) return true;
  auto parsed = text::Interpolation::parse(when);
  if (!parsed.ok()) return expression_failed(parsed.error(), where);
  auto value = parsed->evaluate_condition(scope);
  if (!value.ok()) return expression_failed(value.error(), where);
  return value;
}

Result<json::Value> render_items(const Step& step, const text::Scope& scope,
                                 const Where& where) {
  Rendering rendering{scope};
  json::Value items = TRY(render_value(step.for_each(), rendering, where));
  if (!items.is_array()) {
    return make_error("E0450", fmt::format("{}: expected a list, found {}", where.text(),
                                           json::kind_name(items)),
                      "for_each goes over a list: a YAML list, or one {{ }} that yields one");
  }
  if (items.get_array().size() > kItemsMax) {
    return make_error("E0450", fmt::format("{}: expected at most {} items, found {}",
                                           where.text(), kItemsMax, items.get_array().size()),
                      "split the list over several runs");
  }
  return items;
}

Result<StepDecided> decided(const RenderContext& context, std::string_view path,
                            uint16_t alternative) {
  const auto id = context.planner.find(path);
  CHECK(id.has_value(), "'{}' is no path of this workflow", path);
  const Step& step = context.planner.step(path, alternative);
  const RunScope scope(context, {.id = id, .step = &step, .secrets = true});
  StepDecided out;
  out.path = path;
  out.run = TRY(render_condition(step.when(), scope, Where{.step = path, .what = "when"}));
  if (out.run && alternative == 0 && !step.for_each().is_null()) {
    const RunScope open(context, {.id = id, .step = &step});  // items are kept
    out.items = TRY(render_items(step, open, Where{.step = path, .what = "for_each"}));
  }
  return out;
}

bool is_prompt(const StepType* type, std::string_view parameter) {
  for (const Parameter& p : type == nullptr ? std::span<const Parameter>() : type->parameters) {
    if (p.name == parameter) return p.takes == Takes::kPrompt;
  }
  return false;
}

Result<text::MarkedText> render_prompt(const json::Value& source, Rendering& rendering,
                                       const Where& where) {
  auto parsed = text::Interpolation::parse(source.get_string(), {.statements = true});
  if (!parsed.ok()) return expression_failed(parsed.error(), where);
  auto text = parsed->evaluate_text(rendering.scope);
  if (!text.ok()) return expression_failed(text.error(), where);
  if (!parsed->is_constant()) TRY(rendering.pay(text->text.size(), where));
  return text;
}

}  // namespace

EventBody decide(const RenderContext& context, std::string_view path, uint16_t alternative) {
  auto result = decided(context, path, alternative);
  if (result.ok()) return std::move(result).value();
  DecisionFailed failed;
  failed.path = path;
  failed.failure = failure_of(result.error());
  return failed;
}

Result<Rendered> render_parameters(const RenderContext& context, const Command& start) {
  CHECK(start.kind == Command::Kind::kStart || start.kind == Command::Kind::kResume);
  const auto id = context.planner.find(start.path);
  CHECK(id.has_value(), "'{}' is no path of this workflow", start.path);
  const Step& step = context.planner.step(start.path, start.alternative);
  const StepType* type = find_step_type(step.type);
  const bool secrets = type != nullptr && type->secrets;
  const RunScope scope(context, {.id = id, .step = &step, .secrets = secrets});
  Rendering rendering{scope};
  Rendered out;
  json::Object parameters;
  parameters.reserve(step.parameters.get_object().size());
  const Where outer{.step = start.path, .what = "parameters"};
  for (const auto& member : step.parameters.get_object()) {
    const Where where{.step = {}, .what = member.key(), .outer = &outer};
    if (member.value().is_string() && is_prompt(type, member.key())) {
      text::MarkedText text = TRY(render_prompt(member.value(), rendering, where));
      parameters.emplace(member.key(), text.text);
      out.prompts.emplace_back(member.key(), std::move(text));
    } else {
      parameters.emplace(member.key(), TRY(render_value(member.value(), rendering, where)));
    }
  }
  out.parameters = std::move(parameters);
  out.idempotency_key = fmt::format("{}/{}", effect_run(context.state), start.path);
  if (start.alternative > 0) out.idempotency_key += "/" + step.id;
  if (!step.idempotency_key().empty()) {
    const Where where{.step = start.path, .what = "idempotency_key"};
    const RunScope open(context, {.id = id, .step = &step});  // a key is kept and shown
    Rendering key_rendering{open, rendering.left};
    const json::Value key = TRY(render_text(step.idempotency_key(), key_rendering, where));
    out.idempotency_key = key.is_string() ? std::string(key.get_string()) : json::dump(key);
  }
  out.secrets_used = scope.secrets_used();
  return out;
}

Result<json::Value> render_step_output(const RenderContext& context, std::string_view path,
                                       uint16_t alternative, json::Value output) {
  const auto id = context.planner.find(path);
  CHECK(id.has_value(), "'{}' is no path of this workflow", path);
  const Step& step = context.planner.step(path, alternative);
  if (step.output_as().is_null()) return output;
  const RunScope scope(context, {.id = id, .step = &step, .output = &output});
  Rendering rendering{scope};
  return render_value(step.output_as(), rendering, Where{.step = path, .what = "output_as"});
}

namespace {

class ToolScope final : public text::Scope {
 public:
  explicit ToolScope(const ToolNames& names)
      : names_(names), secrets_(names.secrets != nullptr ? *names.secrets : kNoSecrets) {}
  const json::Value* find(std::string_view name) const override {
    if (name == "args") return &names_.args;
    if (name == "input") return &names_.input;
    if (name == "env") return &names_.env;
    if (name == "run") return names_.run;
    return name == "output" ? names_.output : nullptr;
  }
  const text::Scope* nested(std::string_view name) const override {
    return name == "secrets" ? &secrets_ : nullptr;
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> names = {"args", "input", "env"};
    if (names_.run != nullptr) names.emplace_back("run");
    if (names_.output != nullptr) names.emplace_back("output");
    return names;
  }
  const std::vector<std::string>& secrets_used() const { return secrets_.used; }

 private:
  const ToolNames& names_;
  SecretsScope secrets_;
};

}  // namespace

Result<json::Value> render_tool(const json::Value& value, std::string_view tool,
                                const ToolNames& names) {
  const std::string what = fmt::format("tool '{}'", tool);
  const ToolScope scope(names);
  Rendering rendering{scope};
  json::Value out = TRY(render_value(value, rendering, Where{.step = {}, .what = what}));
  if (names.secrets_used != nullptr) *names.secrets_used = scope.secrets_used();
  return out;
}

Result<json::Value> render_run_output(const RenderContext& context) {
  const Workflow& workflow = context.planner.workflow();
  if (!workflow.output.is_null()) {
    const RunScope scope(context, {});
    Rendering rendering{scope};
    return render_value(workflow.output, rendering, Where{.step = {}, .what = "output"});
  }
  json::Object out;
  for (uint32_t i = 0; i < workflow.steps.size(); ++i) {
    if (!context.planner.graph().successors(i).empty()) continue;
    const Execution& e = context.state.steps[i].execution;
    out.emplace(workflow.steps[i].id,
                e.end == StepStatus::kSucceeded ? e.output : json::Value());
  }
  return json::Value(std::move(out));
}

}  // namespace weft::workflow
