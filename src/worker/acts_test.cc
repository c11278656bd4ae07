// SPDX-License-Identifier: Apache-2.0
#include "worker/acts.h"

#include <gtest/gtest.h>

#include "worker/step_types.h"

namespace weft::worker {
namespace {

TEST(Acts, AnAddressIsToldWithoutWhatMayBeASecret) {
  EXPECT_EQ(origin_of("https://ada:pw@example.com:8443/bot123/send?key=1#x"),
            "https://example.com:8443");
  EXPECT_EQ(origin_of("http://example.com?token=1"), "http://example.com");
  EXPECT_EQ(origin_of("http://a@b@example.com\\@evil/"), "http://example.com");
  EXPECT_EQ(origin_of("example.com/secret"), "");
}

TEST(Acts, OnlyWhatReachesOutsideIsRecorded) {
  const auto act = [](std::string_view type, json::Object parameters) {
    return act_of_step(*find_step_type(type), parameters);
  };
  EXPECT_FALSE(act("set", {{"value", 1}}));
  EXPECT_FALSE(act("llm", {{"prompt", "x"}}));
  EXPECT_FALSE(act("file", {{"action", "read"}, {"path", "a"}}));
  EXPECT_EQ(act("file", {{"action", "delete"}, {"path", "a"}})->target, "delete a");
  EXPECT_EQ(act("notification", {{"channel", "email"}, {"to", "ada@example.com"}})->target,
            "email");
  EXPECT_EQ(act("mcp", {{"server", "files"}, {"tool", "read"}})->target, "files/read");
  EXPECT_EQ(act("shell", {{"command", "rm -r /"}})->target, "/bin/sh");
  const auto long_path = act("file", {{"action", "write"}, {"path", std::string(4'000, 'a')}});
  EXPECT_LT(long_path->target.size(), 320U);
}

TEST(Acts, AnEndSaysWhoseNoItWas) {
  const auto ended = [](StepOutcome outcome, bool began) {
    ActRow act;
    end_act(act, outcome, began);
    return act.outcome + " " + act.code;
  };
  const auto failure = [](const char* code) { return StepFailure{make_error(code, "no"), false}; };
  EXPECT_EQ(ended(StepResult{}, true), "ok ");
  EXPECT_EQ(ended(failure("E0803"), true), "failed E0803");
  EXPECT_EQ(ended(failure("E0627"), false), "refused E0627") << "switched off: it never began";
  EXPECT_EQ(ended(failure("E0801"), true), "refused E0801");
  EXPECT_EQ(ended(StepUnknown{make_error("E0606", "?")}, true), "unknown E0606");
}

}  // namespace
}  // namespace weft::worker
