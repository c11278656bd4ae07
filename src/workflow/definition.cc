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

bool timeout_limits_waiting(const Step& step) {
  return step.type == "approval" || step.type == "signal" || step.type == "wait";
}

}  // namespace weft::workflow
