// SPDX-License-Identifier: Apache-2.0
//
// approval, signal: steps that wait for people and programs outside. What they ask is journalled
// when they begin to wait, what they are told when it comes; here it is judged. Neither holds a
// thread, a connection or a process while it waits.
#include "base/strings.h"
#include "schema/validator.h"
#include "worker/step_types.h"

namespace weft::worker {
namespace {

using workflow::Wake;
using workflow::WaitReason;

const json::Value& member_or_null(const json::Value& object, std::string_view name) {
  static const json::Value kNull;
  const json::Object* members = object.if_object();
  const json::Value* value = members != nullptr ? members->if_contains(name) : nullptr;
  return value != nullptr ? *value : kNull;
}

std::string_view text_or(const json::Value& value, std::string_view usual) {
  return value.is_string() ? std::string_view(value.get_string()) : usual;
}

// A person with a role decides. {decision, by, at, comment}; a rejection fails the step unless
// on_reject is continue. Its time limit is the step's `timeout`; on_timeout says what then.
class ApprovalStep final : public StepType {
 public:
  std::string_view name() const override { return "approval"; }
  EffectClass effect(const json::Object&, const workflow::Step&) const override {
    return EffectClass::kPure;
  }
  Started start(StepContext context, StepDone) const override {
    auto asked = ask(context);
    if (!asked.ok()) return failed(std::move(asked).error(), false);
    return finished(StepWait{WaitReason::kPerson, 0, "", std::move(asked).value()});
  }
  Started resume(StepContext context, StepDone) const override {
    auto again = ask(context);  // what it says may follow the run's deadline, which has moved
    if (!again.ok()) return failed(std::move(again).error(), false);
    if (context.wake == Wake::kAnswer) return judge(context, context.answer);
    const bool escalated = context.wake == Wake::kTime;
    const std::string then =
        escalated ? "fail" : text_parameter_or(context.parameters, "on_timeout", "fail").value();
    json::Object given{{"decision", then == "approve" ? "approved" : "rejected"},
                       {"by", "timeout"},
                       {"at_us", context.now_us}};
    if (then == "approve" || then == "reject") return judge(context, json::Value(given));
    if (then == "fail") {
      return failed(make_error("approval_timeout",
                               escalated ? "nobody decided in time, nor did those it was passed to"
                                         : "nobody decided in time",
                               "on_timeout: approve, reject or escalate instead of failing"),
                    false);
    }
    json::Object& asked = again->as_object();
    asked["role"] = text_parameter(context.parameters, "escalate_to").value();
    asked["escalated"] = true;
    asked.erase("assignees");
    return finished(StepWait{WaitReason::kPerson, context.now_us + context.timeout_us, "",
                             std::move(*again)});
  }

 private:
  static Result<json::Value> ask(const StepContext& context) {
    const json::Object& parameters = context.parameters;
    const std::string known[] = {"role",       "assignees",   "title",    "show",
                                 "on_timeout", "escalate_to", "on_reject"};
    TRY(only_parameters(parameters, known));
    json::Object asked;
    asked["role"] = TRY(text_parameter(parameters, "role"));
    asked["title"] = TRY(text_parameter_or(parameters, "title", ""));
    if (const json::Value* show = parameters.if_contains("show")) asked["show"] = *show;
    if (const json::Value* names = parameters.if_contains("assignees")) {
      TRY(check_assignees(*names));
      asked["assignees"] = *names;
    }
    TRY(check_words(context));
    return json::Value(std::move(asked));
  }
  static Status check_assignees(const json::Value& names) {
    bool good = names.is_array();
    for (const json::Value& name : good ? names.get_array() : json::Array()) {
      good = good && name.is_string();
    }
    if (good) return ok_status();
    return wrong_parameter("assignees", "a list of names", std::string(json::kind_name(names)));
  }
  static Status check_words(const StepContext& context) {
    const json::Object& parameters = context.parameters;
    const std::string then = TRY(text_parameter_or(parameters, "on_timeout", "fail"));
    if (then != "approve" && then != "reject" && then != "fail" && then != "escalate") {
      return wrong_parameter("on_timeout", "approve, reject, fail or escalate", quoted(then));
    }
    const std::string reject = TRY(text_parameter_or(parameters, "on_reject", "fail"));
    if (reject != "fail" && reject != "continue") {
      return wrong_parameter("on_reject", "fail or continue", quoted(reject));
    }
    if (then != "escalate") return ok_status();
    TRY(text_parameter(parameters, "escalate_to"));
    if (context.timeout_us > 0) return ok_status();
    return make_error("E0603", "on_timeout: escalate needs a time limit", "timeout: 4h");
  }
  static Started judge(const StepContext& context, const json::Value& given) {
    const std::string_view decision = text_or(member_or_null(given, "decision"), "rejected");
    const json::Value& at = member_or_null(given, "at_us");
    const std::string by(text_or(member_or_null(given, "by"), ""));
    const bool rejected = decision == "rejected";
    const std::string on_reject =
        text_parameter_or(context.parameters, "on_reject", "fail").value();
    const json::Value& comment = member_or_null(given, "comment");
    if (rejected && on_reject != "continue") {
      std::string message = "rejected by " + by;
      if (comment.is_string()) message += fmt::format(": {}", text_or(comment, ""));
      return failed(make_error("approval_rejected", std::move(message),
                               "on_reject: continue lets the run go on after a rejection"),
                    false);
    }
    return succeeded(json::Object{{"decision", decision},
                                  {"by", by},
                                  {"at", iso8601(at.is_int64() ? at.get_int64() : context.now_us)},
                                  {"comment", comment}});
  }
};

// A signal of a name; yields its payload, which must fit `schema`.
class SignalStep final : public StepType {
 public:
  std::string_view name() const override { return "signal"; }
  EffectClass effect(const json::Object&, const workflow::Step&) const override {
    return EffectClass::kPure;
  }
  Started start(StepContext context, StepDone) const override {
    const std::string known[] = {"name", "schema"};
    if (Status status = only_parameters(context.parameters, known); !status.ok()) {
      return failed(std::move(status).error(), false);
    }
    auto name = text_parameter(context.parameters, "name");
    if (!name.ok()) return failed(std::move(name).error(), false);
    if (name->empty()) return failed(wrong_parameter("name", "a name", "nothing"), false);
    json::Object asked;
    if (const json::Value* schema = context.parameters.if_contains("schema")) {
      auto parsed = schema::Schema::parse(*schema);
      if (!parsed.ok()) return failed(std::move(parsed).error(), false);
      asked["schema"] = *schema;
    }
    return finished(StepWait{WaitReason::kSignal, 0, std::move(name).value(), std::move(asked)});
  }
  // The front door has checked the payload; a signal that was kept from before may not fit.
  Started resume(StepContext context, StepDone) const override {
    json::Value payload = member_or_null(context.answer, "payload");
    const json::Value* document = context.parameters.if_contains("schema");
    if (document == nullptr) return succeeded(std::move(payload));
    auto schema = schema::Schema::parse(*document);
    if (!schema.ok()) return failed(std::move(schema).error(), false);
    if (Status filled = schema::apply_defaults(*schema, payload); !filled.ok()) {
      return failed(std::move(filled).error(), true);
    }
    const auto violations = schema::validate(*schema, payload);
    if (violations.empty()) return succeeded(std::move(payload));
    return failed(schema::violation_error("the signal's payload", violations), true);
  }
};

}  // namespace

const StepType& approval_step() {
  static const ApprovalStep step;
  return step;
}
const StepType& signal_step() {
  static const SignalStep step;
  return step;
}

}  // namespace weft::worker
