// SPDX-License-Identifier: Apache-2.0
#include "runtime/deadline.h"

#include <gtest/gtest.h>

#include <random>

namespace weft::runtime {
namespace {

using grammar::Ending;
using grammar::Haste;

// Thinks for ever; then its answer takes `answer` passes, `shortest` in haste, one at once.
class Thinker final : public grammar::Guide {
 public:
  static constexpr int kAnswer = 24, kShortest = 4;
  grammar::Verdict on_token(text::TokenId) override {
    if (haste_ != Haste::kGoOn) --left_;
    return left_ <= 0 ? grammar::Verdict::kStop : grammar::Verdict::kContinue;
  }
  bool wrap_up(Haste haste) override {
    if (haste_ == Haste::kGoOn) left_ = kAnswer;
    left_ = std::min(left_, std::max(1, ending(haste).passes));
    haste_ = haste;
    return true;
  }
  Ending ending(Haste haste) override {
    if (haste == Haste::kAnswer) return {haste_ == Haste::kGoOn ? kAnswer : left_, 40};
    return {haste == Haste::kShortest ? std::min(left_, kShortest) : 0, 40};
  }

 private:
  Haste haste_ = Haste::kGoOn;
  int left_ = INT32_MAX;
};

TEST(Deadline, WithoutAFormThereIsTimeUntilTheEnd) {
  const TickTimes times;
  EXPECT_EQ(haste_needed(nullptr, Haste::kGoOn, 0.001, {500, true}, times), Haste::kGoOn);
  EXPECT_EQ(haste_needed(nullptr, Haste::kGoOn, 0, {}, times), Haste::kAtOnce);
}

TEST(Deadline, HasteGrowsAsTheTimeGoes) {
  TickTimes times;
  for (int i = 0; i < 200; ++i) times.add(1, 1, 0.050);
  times.add(100, 0, 0.1);  // a millisecond each row
  Thinker thinker;
  EXPECT_EQ(haste_needed(&thinker, Haste::kGoOn, 2.0, {}, times), Haste::kGoOn);
  EXPECT_EQ(haste_needed(&thinker, Haste::kGoOn, 1.2, {0, true}, times), Haste::kAnswer);
  EXPECT_EQ(haste_needed(&thinker, Haste::kAnswer, 1.2, {0, true}, times), Haste::kGoOn);
  EXPECT_EQ(haste_needed(&thinker, Haste::kAnswer, 0.25, {0, true}, times), Haste::kShortest);
  EXPECT_EQ(haste_needed(&thinker, Haste::kAnswer, 0.05, {0, true}, times), Haste::kAtOnce);
  EXPECT_EQ(haste_needed(&thinker, Haste::kGoOn, 2.0, {2000, true}, times), Haste::kAnswer)
      << "much goes through the model before";
  EXPECT_EQ(haste_needed(&thinker, Haste::kGoOn, 1.2, {0, false}, times), Haste::kGoOn)
      << "it has not begun";
}

// Texts of five seconds on a machine whose ticks drift, stumble now and then, and double
// when a second load begins in the middle.
TEST(Deadline, SimulatedTextsEndInTime) {
  int missed = 0, count = 0;
  double unused = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> share(0, 1);
    TickTimes times;
    double pace = 0.02 + 0.03 * share(random);
    for (int text = 0; text < 10; ++text, ++count) {
      Thinker thinker;
      Haste haste = Haste::kGoOn;
      double now = 0;
      for (bool over = false; !over;) {
        const Haste needed = haste_needed(&thinker, haste, 5 - now, {0, true}, times);
        if (needed > haste) {
          haste = needed;
          thinker.wrap_up(haste);
        }
        pace = std::clamp(pace * (0.98 + 0.04 * share(random)), 0.01, 0.06);
        const bool loaded = text >= 5 || (text == 4 && now > 2.5);
        const double stumble = share(random) < 0.03 ? 0.1 : 0;
        const double took = pace * (loaded ? 2 : 1) * (0.9 + 0.2 * share(random)) + stumble;
        times.add(1, 1, took);
        now += took;
        over = thinker.on_token(0) == grammar::Verdict::kStop;
      }
      missed += now > 5 ? 1 : 0;
      unused += std::max(0.0, 1 - now / 5);
    }
  }
  EXPECT_EQ(missed, 0) << "of " << count;
  EXPECT_LT(unused / count, 0.2);
}

}  // namespace
}  // namespace weft::runtime
