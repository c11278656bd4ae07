// SPDX-License-Identifier: Apache-2.0
#include "runtime/scheduler.h"

#include <gtest/gtest.h>

#include <map>

#include "base/env.h"

namespace weft::runtime {
namespace {

TEST(Scheduler, CutsAPromptAndThenDecodes) {
  BlockPool pool(8);
  Scheduler scheduler({.tokens_per_tick = 40, .sequences_max = 4}, pool);
  scheduler.add(1, 70, 80);
  auto plan = scheduler.plan();
  EXPECT_EQ(plan, (std::vector<Slice>{{1, 0, 40, false}}));
  scheduler.done(plan);
  EXPECT_EQ(scheduler.blocks(1).size(), 2u);
  plan = scheduler.plan();
  EXPECT_EQ(plan, (std::vector<Slice>{{1, 40, 30, true}}));
  scheduler.done(plan);
  EXPECT_TRUE(scheduler.plan().empty());  // the next token is not known yet
  scheduler.append(1);
  plan = scheduler.plan();
  EXPECT_EQ(plan, (std::vector<Slice>{{1, 70, 1, true}}));
  scheduler.done(plan);
  scheduler.append(1);
  scheduler.append(1);  // forced tokens go together
  EXPECT_EQ(scheduler.plan(), (std::vector<Slice>{{1, 71, 2, true}}));
}

TEST(Scheduler, DecodesFirstAndLetsShortPromptsThrough) {
  BlockPool pool(400);
  Scheduler scheduler({.tokens_per_tick = 100, .sequences_max = 8}, pool);
  scheduler.add(1, 5, 10);
  scheduler.done(scheduler.plan());
  scheduler.append(1);
  scheduler.add(2, 8192, 8200);
  scheduler.add(3, 10, 20);
  const auto plan = scheduler.plan();
  EXPECT_EQ(plan, (std::vector<Slice>{{1, 5, 1, true}, {2, 0, 89, false}, {3, 0, 10, true}}));
}

TEST(Scheduler, AdmitsInOrderWithinItsBlocks) {
  BlockPool pool(4);
  Scheduler scheduler({.tokens_per_tick = 512, .sequences_max = 8}, pool);
  scheduler.add(1, 10, 64);
  scheduler.add(2, 10, 128);  // needs all four blocks
  scheduler.add(3, 10, 32);   // would fit, but does not overtake
  auto plan = scheduler.plan();
  EXPECT_EQ(plan.size(), 1u);
  EXPECT_EQ(scheduler.waiting(), 2);
  scheduler.done(plan);
  scheduler.remove(1);
  EXPECT_EQ(scheduler.plan(), (std::vector<Slice>{{2, 0, 10, true}}));
  EXPECT_FALSE(scheduler.fits(129));
  scheduler.remove(3);  // cancelled while it waits
  EXPECT_EQ(scheduler.waiting(), 0);
}

TEST(Scheduler, StopsOnOurOwnBugs) {
  BlockPool pool(4);
  Scheduler scheduler({.tokens_per_tick = 16, .sequences_max = 2}, pool);
  EXPECT_DEATH(scheduler.append(9), "unknown");
  EXPECT_DEATH(scheduler.add(1, 1, 1000), "tokens_max");
  scheduler.add(1, 2, 2);
  EXPECT_DEATH(scheduler.add(1, 2, 2), "twice");
  EXPECT_DEATH(scheduler.append(1), "beyond its 2");
  const auto plan = scheduler.plan();
  EXPECT_DEATH(scheduler.plan(), "no done");
  EXPECT_DEATH(scheduler.remove(1), "in the middle of a tick");
}

// A world of sequences that come, grow, are cancelled and finish, from a seed.
class Simulation {
 public:
  explicit Simulation(uint64_t seed)
      : env_(seed), blocks_(below(40) + 4), limits_{below(200) + 1, below(12) + 1},
        pool_(blocks_), scheduler_(limits_, pool_) {}

  void run() {
    for (int tick = 0; tick < 400; ++tick) {
      if (tick < 300 && below(3) == 0) arrive();
      if (below(10) == 0) cancel();
      step();
    }
    for (int tick = 0; tick < 20000 && !live_.empty(); ++tick) step();
    EXPECT_TRUE(live_.empty());  // everything that was admitted or waited has finished
    EXPECT_EQ(pool_.free(), pool_.size());
    EXPECT_EQ(pool_.reserved(), 0);
  }

 private:
  struct Truth {
    int length;
    int computed = 0;
    int total;
  };

  int below(int n) {
    uint8_t bytes[2];
    env_.random(bytes);
    return (bytes[0] | bytes[1] << 8) % n;
  }
  void arrive() {
    const int total = below(blocks_ * kBlockPositions) + 1;
    const int prompt = below(total) + 1;
    scheduler_.add(++newest_, prompt, total);
    live_[newest_] = {prompt, 0, total};
  }
  void cancel() {
    if (live_.empty()) return;
    const auto at = std::next(live_.begin(), below(static_cast<int>(live_.size())));
    scheduler_.remove(at->first);
    live_.erase(at);
  }
  void step() {
    const auto plan = scheduler_.plan();
    int rows = 0;
    int decoding = 0;
    std::map<BlockId, SequenceId> owners;
    for (const Slice& slice : plan) {
      Truth& truth = live_.at(slice.id);
      ASSERT_EQ(slice.begin, truth.computed);
      ASSERT_GT(slice.count, 0);
      ASSERT_LE(slice.begin + slice.count, truth.length);
      ASSERT_EQ(slice.last, slice.begin + slice.count == truth.length);
      rows += slice.count;
      decoding += slice.last ? 1 : 0;
      const auto& blocks = scheduler_.blocks(slice.id);
      ASSERT_EQ(static_cast<int>(blocks.size()),
                Scheduler::blocks_for(slice.begin + slice.count));
      for (const BlockId block : blocks) ASSERT_TRUE(owners.emplace(block, slice.id).second);
    }
    ASSERT_LE(rows, limits_.tokens_per_tick + limits_.sequences_max);
    ASSERT_TRUE(!plan.empty() || live_.empty()) << "work waits and nothing is planned";
    scheduler_.done(plan);
    for (const Slice& slice : plan) {
      Truth& truth = live_.at(slice.id);
      truth.computed += slice.count;
      if (!slice.last) continue;
      if (truth.length == truth.total || below(20) == 0) {
        scheduler_.remove(slice.id);
        live_.erase(slice.id);
        continue;
      }
      const int forced = below(8) == 0 ? below(5) : 0;
      for (int i = 0; i <= forced && truth.length < truth.total; ++i) {
        scheduler_.append(slice.id);
        ++truth.length;
      }
    }
  }

  SimEnv env_;
  int blocks_;
  SchedulerLimits limits_;
  BlockPool pool_;
  Scheduler scheduler_;
  SequenceId newest_ = 0;
  std::map<SequenceId, Truth> live_;
};

TEST(Scheduler, LosesNothingInSimulatedWorlds) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Simulation(seed).run();
    if (testing::Test::HasFatalFailure() || testing::Test::HasNonfatalFailure()) return;
  }
}

}  // namespace
}  // namespace weft::runtime
