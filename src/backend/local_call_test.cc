// SPDX-License-Identifier: Apache-2.0
#include "backend/local_call.h"

#include <gtest/gtest.h>

#include <future>

#include "backend/local.h"
#include "backend/test_ask.h"

namespace weft::backend {
namespace {

TEST(LocalCall, NothingIsDoneForACallThatWasCancelledInTheQueue) {
  LocalBackend backend;
  ASSERT_TRUE(ask(backend, charged_twice()).ok());  // the model is loaded
  std::promise<void> go;
  backend.prepare("default", [&](Status) { go.get_future().wait(); });
  std::promise<Result<ChatResult>> told;
  const auto call = backend.chat(
      charged_twice(), {{}, [&](Result<ChatResult> r) { told.set_value(std::move(r)); }});
  call->cancel();
  go.set_value();
  const Result<ChatResult> result = told.get_future().get();
  ASSERT_TRUE(result.ok()) << result.error().text();
  EXPECT_EQ(result->finish_reason, "cancelled");
  EXPECT_EQ(result->tokens.prompt, 0);
}

TEST(LocalCall, AnAnswerThatWasEndedSaysByWhat) {
  EXPECT_EQ(finish_reason(runtime::Finish::kLoop), "length");
  EXPECT_EQ(stop_reason(runtime::Finish::kLoop), "repetition");
  EXPECT_EQ(stop_reason(runtime::Finish::kDeadline), "deadline");
  EXPECT_EQ(stop_reason(runtime::Finish::kLength), "");
  EXPECT_EQ(stop_reason(runtime::Finish::kStop), "");
}

}  // namespace
}  // namespace weft::backend
