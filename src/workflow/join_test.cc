// SPDX-License-Identifier: Apache-2.0
//
// The join table: the rows of planner.h, letter by letter, and every combination of up to four
// predecessors in every order of arrival, played through the planner.
#include "workflow/join.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "workflow/planner_test.h"

namespace weft::workflow {
namespace {

constexpr Join kJoins[] = {Join::kAllOk, Join::kNoneFailed, Join::kAnyOk, Join::kAllDone};

Arrivals arrivals_of(std::string_view letters) {
  Arrivals a;
  for (const char c : letters) {
    ++(c == 'O' ? a.ok : c == 'S' ? a.skipped : c == 'F' ? a.failed : a.cancelled);
  }
  return a;
}

std::string word(Verdict verdict) {
  switch (verdict) {
    case Verdict::kWait: return "wait";
    case Verdict::kRun: return "run";
    case Verdict::kFail: return "F";
    case Verdict::kCancel: return "X";
  }
  return "";
}

TEST(Join, TheTable) {
  const std::string columns[] = {"OO", "OS", "SS", "OF", "SF", "FF", "OX", "SX", "FX", "XX"};
  const std::string rows[][10] = {
      {"run", "run", "run", "F", "F", "F", "X", "X", "F", "X"},
      {"run", "run", "run", "F", "F", "F", "run", "run", "F", "run"},
      {"run", "run", "run", "run", "run", "F", "run", "run", "F", "X"},
      {"run", "run", "run", "run", "run", "run", "run", "run", "run", "run"}};
  for (int join = 0; join < 4; ++join) {
    for (int column = 0; column < 10; ++column) {
      EXPECT_EQ(word(judge(kJoins[join], arrivals_of(columns[column]), 2)), rows[join][column])
          << name(kJoins[join]) << " " << columns[column];
    }
  }
  for (const Join join : kJoins) {
    EXPECT_EQ(judge(join, {}, 0), Verdict::kRun);
    EXPECT_EQ(judge(join, {}, 2), Verdict::kWait);
    EXPECT_EQ(judge(join, arrivals_of("F"), 2), Verdict::kWait);
    EXPECT_EQ(judge(join, arrivals_of("O"), 2),
              join == Join::kAnyOk ? Verdict::kRun : Verdict::kWait);
  }
}

// The rule in words, for any number of predecessors: the oracle of the test below.
std::string oracle(Join join, std::string_view ends) {
  const auto has = [&](char c) { return ends.find(c) != std::string_view::npos; };
  switch (join) {
    case Join::kAllOk: return has('F') ? "F" : has('X') ? "X" : "run";
    case Join::kNoneFailed: return has('F') ? "F" : "run";
    case Join::kAnyOk: return has('O') || has('S') ? "run" : has('F') ? "F" : "X";
    case Join::kAllDone: return "run";
  }
  return "";
}

// Steps are cancelled one by one only when their run ends, so X has no arrival to play; the test
// with cancelled predecessors asks judge() itself.
void end_as(Bench& run, uint32_t step, char how) {
  const std::string id = "p" + std::to_string(step);
  if (how == 'O') run.succeed(id);
  if (how == 'F') run.fail(id);
  if (how == 'S') run.decide(id, false);
}

std::vector<Step> steps_for(std::string_view ends, Join join) {
  std::vector<Step> steps;
  Step last = make_step("last");
  last.join = join;
  for (uint32_t i = 0; i < ends.size(); ++i) {
    steps.push_back(make_step("p" + std::to_string(i)));
    if (ends[i] == 'S') steps.back().edit().when = "{{ input.x }}";
    last.dependencies.push_back(i);
  }
  steps.push_back(last);
  return steps;
}

void play(std::string_view ends, Join join, const std::vector<uint32_t>& order) {
  Bench run(steps_for(ends, join));
  bool seen_ok = false;
  for (size_t i = 0; i < order.size(); ++i) {
    end_as(run, order[i], ends[order[i]]);
    seen_ok = seen_ok || ends[order[i]] == 'O';
    const bool last_in = i + 1 == order.size();
    const bool decided = last_in || (join == Join::kAnyOk && seen_ok);
    EXPECT_EQ(run.status("last") != StepStatus::kPending, decided)
        << ends << " " << name(join) << " after " << i + 1;
  }
  const std::string expected = oracle(join, ends);
  const StepStatus status = run.status("last");
  EXPECT_EQ(status, expected == "run" ? StepStatus::kReady : StepStatus::kFailed)
      << ends << " " << name(join);
  if (expected != "F") return;
  // The cause is the failure that came first.
  for (const uint32_t p : order) {
    if (ends[p] != 'F') continue;
    EXPECT_EQ(run.execution("last").failure->step, "p" + std::to_string(p));
    break;
  }
}

TEST(Join, EveryCombinationInEveryOrder) {
  const char letters[] = {'O', 'S', 'F'};
  int played = 0;
  for (uint32_t n = 1; n <= 4; ++n) {
    int combinations = 1;
    for (uint32_t i = 0; i < n; ++i) combinations *= 3;
    for (int c = 0; c < combinations; ++c) {
      std::string ends;
      for (int rest = c, i = 0; i < static_cast<int>(n); ++i, rest /= 3) ends += letters[rest % 3];
      std::vector<uint32_t> order;
      for (uint32_t i = 0; i < n; ++i) order.push_back(i);
      do {
        for (const Join join : kJoins) play(ends, join, order);
        ++played;
      } while (std::next_permutation(order.begin(), order.end()));
    }
  }
  EXPECT_EQ(played, 3 + 9 * 2 + 27 * 6 + 81 * 24);
}

// Cancelled predecessors, in every mixture of up to four: the counts decide, not the order.
TEST(Join, EveryMixtureWithCancelled) {
  const char letters[] = {'O', 'S', 'F', 'X'};
  for (uint32_t n = 1; n <= 4; ++n) {
    for (int c = 0; c < 1 << (2 * n); ++c) {
      std::string ends;
      for (uint32_t i = 0; i < n; ++i) ends += letters[(c >> (2 * i)) & 3];
      for (const Join join : kJoins) {
        EXPECT_EQ(word(judge(join, arrivals_of(ends), n)), oracle(join, ends)) << ends;
      }
    }
  }
}

}  // namespace
}  // namespace weft::workflow
