// SPDX-License-Identifier: Apache-2.0
//
// set, validate, wait: the steps that only compute, check or let time pass.
#include <charconv>

#include "base/strings.h"
#include "schema/validator.h"
#include "worker/step_types.h"
#include "workflow/schedule.h"

namespace weft::worker {
namespace {

// `parameters: {value: X}` yields X; any other parameters are the value themselves.
class SetStep final : public StepType {
 public:
  std::string_view name() const override { return "set"; }
  EffectClass effect(const json::Object&, const workflow::Step&) const override {
    return EffectClass::kPure;
  }
  Started start(StepContext context, StepDone) const override {
    json::Object& parameters = context.parameters;
    if (parameters.size() == 1 && parameters.begin()->key() == "value") {
      return succeeded(std::move(parameters.begin()->value()));
    }
    return succeeded(json::Value(std::move(parameters)));
  }
};

// `value` against `schema`; yields the value with the schema's defaults filled in.
class ValidateStep final : public StepType {
 public:
  std::string_view name() const override { return "validate"; }
  EffectClass effect(const json::Object&, const workflow::Step&) const override {
    return EffectClass::kPure;
  }
  Started start(StepContext context, StepDone) const override {
    auto checked = check(std::move(context.parameters), context.path);
    if (!checked.ok()) return failed(std::move(checked).error(), false);
    return succeeded(std::move(checked).value());
  }

 private:
  static Result<json::Value> check(json::Object parameters, const std::string& path) {
    const std::string known[] = {"value", "schema"};
    TRY(only_parameters(parameters, known));
    const json::Value* document = parameters.if_contains("schema");
    json::Value* value = parameters.if_contains("value");
    if (document == nullptr) return wrong_parameter("schema", "a JSON Schema", "nothing");
    if (value == nullptr) return wrong_parameter("value", "the value to check", "nothing");
    const schema::Schema schema = TRY(schema::Schema::parse(*document));
    TRY(schema::apply_defaults(schema, *value));
    const auto violations = schema::validate(schema, *value);
    if (violations.empty()) return std::move(*value);
    return schema::violation_error(fmt::format("value of step {}", quoted(path)), violations);
  }
};

// `for: 10s` or `until: 2026-11-21T19:00:00Z`.
class WaitStep final : public StepType {
 public:
  std::string_view name() const override { return "wait"; }
  EffectClass effect(const json::Object&, const workflow::Step&) const override {
    return EffectClass::kPure;
  }
  Started start(StepContext context, StepDone) const override {
    const auto until = until_us(context);
    if (!until.ok()) return failed(until.error(), false);
    if (*until <= context.now_us) return resume(std::move(context), nullptr);
    return finished(StepWait{workflow::WaitReason::kTime, *until});
  }
  Started resume(StepContext context, StepDone) const override {
    return succeeded(json::Object{{"at", iso8601(context.now_us)}});
  }

 private:
  static Result<int64_t> until_us(const StepContext& context) {
    const std::string known[] = {"for", "until"};
    TRY(only_parameters(context.parameters, known));
    const json::Value* duration = context.parameters.if_contains("for");
    const json::Value* instant = context.parameters.if_contains("until");
    if ((duration == nullptr) == (instant == nullptr)) {
      return make_error("E0603", "a wait step needs either 'for' or 'until'",
                        "for: 10s, or until: 2026-11-21T19:00:00Z");
    }
    if (instant != nullptr) return instant_us(TRY(text_parameter(context.parameters, "until")));
    const std::string text = duration->is_string() ? std::string(duration->as_string())
                                                   : json::dump(*duration);
    return context.now_us + TRY(workflow::parse_duration(text));
  }

  // "2026-11-21T19:00:00Z", with or without a fraction: UTC only, as everything in the journal.
  static Result<int64_t> instant_us(std::string_view text) {
    int part[6] = {};
    const size_t at[] = {0, 5, 8, 11, 14, 17};
    bool good = text.size() >= 20 && text.back() == 'Z' && text[4] == '-' && text[7] == '-' &&
                text[10] == 'T' && text[13] == ':' && text[16] == ':';
    for (int i = 0; good && i < 6; ++i) {
      const char* begin = text.data() + at[i];
      const char* end = begin + (i == 0 ? 4 : 2);
      const auto read = std::from_chars(begin, end, part[i]);
      good = read.ec == std::errc() && read.ptr == end && part[i] >= 0;
    }
    good = good && part[1] >= 1 && part[1] <= 12 && part[2] >= 1 && part[2] <= 31 &&
           part[3] < 24 && part[4] < 60 && part[5] < 61;
    if (!good) {
      return wrong_parameter("until", "an instant such as 2026-11-21T19:00:00Z", quoted(text));
    }
    // Days since 1970-01-01 of a Gregorian date (Hinnant, "chrono-compatible date algorithms").
    const int64_t year = part[0] - (part[1] <= 2 ? 1 : 0);
    const int64_t era = year / 400;
    const int64_t year_of_era = year - era * 400;
    const int64_t day_of_year = (153 * (part[1] + (part[1] > 2 ? -3 : 9)) + 2) / 5 + part[2] - 1;
    const int64_t days = era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
                         day_of_year - 719468;
    const int64_t seconds = ((days * 24 + part[3]) * 60 + part[4]) * 60 + part[5];
    return seconds * 1'000'000;
  }
};

}  // namespace

const StepType& set_step() {
  static const SetStep step;
  return step;
}
const StepType& validate_step() {
  static const ValidateStep step;
  return step;
}
const StepType& wait_step() {
  static const WaitStep step;
  return step;
}

}  // namespace weft::worker
