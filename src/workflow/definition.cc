// SPDX-License-Identifier: Apache-2.0
#include "workflow/definition.h"

#include "base/error.h"

namespace weft::workflow {

std::string_view name(Join join) {
  switch (join) {
    case Join::kAllOk: return "all_ok";
    case Join::kNoneFailed: return "none_failed";
    case Join::kAnyOk: return "any_ok";
    case Join::kAllDone: return "all_done";
  }
  CHECK(false);
}

std::string_view name(OnError on_error) {
  switch (on_error) {
    case OnError::kFail: return "fail";
    case OnError::kContinue: return "continue";
  }
  CHECK(false);
}

std::string_view name(OnUnknown on_unknown) {
  switch (on_unknown) {
    case OnUnknown::kAsk: return "ask";
    case OnUnknown::kRetry: return "retry";
    case OnUnknown::kFail: return "fail";
  }
  CHECK(false);
}

std::string_view name(Backoff backoff) {
  switch (backoff) {
    case Backoff::kFixed: return "fixed";
    case Backoff::kLinear: return "linear";
    case Backoff::kExponential: return "exponential";
  }
  CHECK(false);
}

namespace {

const StepExtras& extras_of(const Step& step) {
  static const StepExtras kNone;
  return step.extras == nullptr ? kNone : *step.extras;
}

}  // namespace

const std::string& Step::when() const { return extras_of(*this).when; }
const json::Value& Step::for_each() const { return extras_of(*this).for_each; }
const json::Value& Step::output_as() const { return extras_of(*this).output_as; }
const std::string& Step::idempotency_key() const { return extras_of(*this).idempotency_key; }
const std::vector<Step>& Step::fallback() const { return extras_of(*this).fallback; }

const Retry& Step::retry() const { return extras_of(*this).retry; }

// A copy of a step shares its extras until one of the two is edited.
StepExtras& Step::edit() {
  const bool own = extras != nullptr && extras.use_count() == 1;
  if (!own) extras = std::make_shared<StepExtras>(extras_of(*this));
  return const_cast<StepExtras&>(*extras);
}

bool timeout_limits_waiting(const Step& step) {
  return step.type == "approval" || step.type == "signal" || step.type == "wait" ||
         step.type == "workflow";
}

}  // namespace weft::workflow
