// SPDX-License-Identifier: Apache-2.0
#include "runtime/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/env.h"
#include "runtime/test_memory.h"

namespace weft::runtime {
namespace {

using text::TokenId;

std::vector<TokenId> text_of(int count, TokenId first) {
  std::vector<TokenId> out;
  for (int i = 0; i < count; ++i) out.push_back(first + i);
  return out;
}

struct World {
  World(int blocks, SchedulerLimits limits)
      : pool(blocks), memory(blocks), scheduler(limits, pool, memory) {}
  void add(SequenceId id, int prompt, int tokens_max, int priority = 0) {
    scheduler.add(id, {text_of(prompt, static_cast<TokenId>(id * 100'000)), tokens_max, priority});
  }
  std::vector<Slice> tick() {
    const auto plan = scheduler.plan();
    scheduler.done(plan);
    return plan;
  }
  BlockPool pool;
  TestMemory memory;
  Scheduler scheduler;
};

TEST(Scheduler, CutsAPromptAndThenDecodes) {
  World w(8, {.tokens_per_tick = 40, .sequences_max = 4});
  w.add(1, 70, 80);
  EXPECT_EQ(w.tick(), (std::vector<Slice>{{1, 0, 40, false}}));
  EXPECT_EQ(w.scheduler.blocks(1).size(), 2u);
  EXPECT_EQ(w.tick(), (std::vector<Slice>{{1, 40, 30, true}}));
  w.scheduler.append(1, 5);
  EXPECT_EQ(w.tick(), (std::vector<Slice>{{1, 70, 1, true}}));
  w.scheduler.append(1, 6);
  w.scheduler.append(1, 7);  // forced tokens go together
  EXPECT_EQ(w.tick(), (std::vector<Slice>{{1, 71, 2, true}}));
}

TEST(Scheduler, DecodesFirstAndLetsShortPromptsThrough) {
  World w(400, {.tokens_per_tick = 100, .sequences_max = 8});
  w.add(1, 5, 10);
  w.tick();
  w.scheduler.append(1, 9);
  w.add(2, 8192, 8200);
  w.add(3, 10, 20);
  EXPECT_EQ(w.tick(), (std::vector<Slice>{{1, 5, 1, true}, {2, 0, 89, false}, {3, 0, 10, true}}));
}

TEST(Scheduler, AdmitsByRankWithinItsBlocks) {
  World w(4, {.tokens_per_tick = 512, .sequences_max = 8});
  w.add(1, 64, 66);
  w.add(2, 96, 128);
  w.add(3, 10, 32);  // would fit, but does not overtake
  EXPECT_EQ(w.tick().size(), 1u);
  EXPECT_EQ(w.scheduler.waiting(), 2);
  w.scheduler.remove(1);
  EXPECT_EQ(w.tick(), (std::vector<Slice>{{2, 0, 96, true}}));
  EXPECT_FALSE(w.scheduler.fits(129));
  w.scheduler.remove(3);  // cancelled while it waits
  EXPECT_EQ(w.scheduler.waiting(), 0);
}

TEST(Scheduler, SharesWhatAnotherComputesJustNow) {
  World w(40, {.tokens_per_tick = 64, .sequences_max = 8});
  const auto prompt = text_of(150, 7);
  for (SequenceId id = 1; id <= 4; ++id) w.scheduler.add(id, {prompt, 200});
  int rows = 0;
  for (int tick = 0; tick < 8; ++tick) {
    for (const Slice& slice : w.tick()) {
      rows += slice.count;
      if (slice.last) w.scheduler.append(slice.id, static_cast<TokenId>(slice.id));
    }
  }
  // 150 once, the last row of each other one, and what was decoded since.
  int decoded = 0;
  for (SequenceId id = 1; id <= 4; ++id) {
    EXPECT_EQ(w.scheduler.cached(id), id == 1 ? 0 : 149);
    decoded += static_cast<int>(w.scheduler.blocks(id).size());
  }
  EXPECT_EQ(decoded, 4 * 5);
  EXPECT_EQ(w.scheduler.copies(), 3);
  EXPECT_EQ(w.scheduler.used(), 4 + 4);  // four shared ones, and the begun one of each
  for (SequenceId id = 1; id <= 4; ++id) w.scheduler.remove(id);
  EXPECT_EQ(w.scheduler.used(), 0);
}

TEST(Scheduler, KeepsThePrefixForWhoComesLater) {
  World w(10, {.tokens_per_tick = 512, .sequences_max = 8});
  w.scheduler.add(1, {text_of(100, 7), 120});
  w.tick();
  w.scheduler.remove(1);
  EXPECT_EQ(w.scheduler.tree().blocks(), 3);
  w.scheduler.add(2, {text_of(100, 7), 120});
  EXPECT_EQ(w.tick(), (std::vector<Slice>{{2, 96, 4, true}}));
  EXPECT_EQ(w.scheduler.cached(2), 96);
  // Exactly what is there: one row is computed all the same, in a copy.
  w.scheduler.add(3, {text_of(96, 7), 120});
  const auto plan = w.tick();
  ASSERT_EQ(plan.size(), 1u);
  EXPECT_EQ(plan[0], (Slice{3, 95, 1, true}));
  w.scheduler.add(4, {text_of(96, 7), 120, 0, "another tenant"});
  EXPECT_EQ(w.tick().at(0), (Slice{4, 0, 96, true}));
}

TEST(Scheduler, PriorityPreemptsAndAgingEndsIt) {
  World w(4, {.tokens_per_tick = 512, .sequences_max = 8});
  w.add(1, 100, 110);
  w.tick();
  w.add(2, 90, 110, 1);
  const auto plan = w.scheduler.plan();
  EXPECT_EQ(w.scheduler.preempted(), std::vector<SequenceId>{1});
  EXPECT_EQ(plan, (std::vector<Slice>{{2, 0, 90, true}}));
  w.scheduler.done(plan);
  w.scheduler.remove(2);
  // Its full blocks were given to the other, bar one.
  EXPECT_FALSE(w.tick().empty());
  EXPECT_EQ(w.scheduler.admitted(), 1);
  // One that came long ago goes before a priority that comes now.
  w.scheduler.append(1, 5);
  for (int64_t i = 0; i < Scheduler::kAgingTicks; ++i) w.tick();
  w.add(3, 100, 110, 1);
  w.tick();
  EXPECT_TRUE(w.scheduler.is_admitted(1));
  EXPECT_FALSE(w.scheduler.is_admitted(3));
}

TEST(Scheduler, DraftsAreRowsBehindTheKnownOnes) {
  World w(8, {.tokens_per_tick = 64, .sequences_max = 4});
  w.add(1, 30, 60);
  w.tick();
  w.scheduler.append(1, 1);
  w.scheduler.propose(1, 5);
  EXPECT_EQ(w.tick(), (std::vector<Slice>{{1, 30, 6, true, 5}}));
  w.scheduler.append(1, 2, true);  // two proved true
  w.scheduler.append(1, 3, true);
  w.scheduler.append(1, 9);
  EXPECT_EQ(w.tick(), (std::vector<Slice>{{1, 33, 1, true}}));
  for (int i = 0; i < 24; ++i) w.scheduler.append(1, 7);  // 58 of 60
  w.scheduler.propose(1, 5);
  EXPECT_EQ(w.tick(), (std::vector<Slice>{{1, 34, 25, true, 1}}));
}

// What guesses were given goes back when they prove wrong: what comes next may be shared.
TEST(Scheduler, DraftsThatProveWrongKeepNoBlock) {
  World w(16, {.tokens_per_tick = 256, .sequences_max = 4});
  const auto text = text_of(120, 7);
  w.scheduler.add(1, {text, 130});
  w.tick();
  w.scheduler.remove(1);
  w.scheduler.add(2, {{text.begin(), text.begin() + 62}, 130});
  w.tick();
  w.scheduler.append(2, text[62]);
  w.scheduler.propose(2, 3);
  EXPECT_EQ(w.tick(), (std::vector<Slice>{{2, 62, 4, true, 3}}));
  w.scheduler.append(2, text[63], true);  // one proved true: up to the border of a block
  for (size_t i = 64; i < 70; ++i) w.scheduler.append(2, text[i]);
  EXPECT_EQ(w.tick(), (std::vector<Slice>{{2, 69, 1, true}})) << "the rest is a copy";
  w.scheduler.remove(2);
  EXPECT_EQ(w.scheduler.used(), 0);
}

// One that is preempted and admitted again in the same plan has no guesses any more.
TEST(Scheduler, APreemptedSequenceForgetsItsDrafts) {
  World w(9, {.tokens_per_tick = 512, .sequences_max = 8});
  w.scheduler.add(1, {text_of(100, 7), 101});  // leaves a prefix of three blocks
  w.tick();
  w.scheduler.remove(1);
  w.add(2, 20, 30, 2);
  w.add(3, 40, 70);
  w.tick();
  w.scheduler.append(2, 5);
  w.scheduler.append(3, 5);
  w.scheduler.propose(3, 3);
  w.scheduler.add(4, {text_of(130, 7), 131, 1});
  const auto plan = w.scheduler.plan();
  for (const Slice& slice : plan) {
    const auto& gone = w.scheduler.preempted();
    const bool again = std::find(gone.begin(), gone.end(), slice.id) != gone.end();
    EXPECT_TRUE(!again || slice.drafts == 0) << slice.id;
  }
}

TEST(Scheduler, StopsOnOurOwnBugs) {
  World w(4, {.tokens_per_tick = 16, .sequences_max = 2});
  EXPECT_DEATH(w.scheduler.append(9, 1), "unknown");
  EXPECT_DEATH(w.add(1, 1, 1000), "tokens_max");
  w.add(1, 2, 2);
  EXPECT_DEATH(w.add(1, 2, 2), "twice");
  EXPECT_DEATH(w.scheduler.append(1, 5), "beyond its 2");
  EXPECT_DEATH(w.scheduler.append(1, 5, true), "");
  const auto plan = w.scheduler.plan();
  EXPECT_DEATH(w.scheduler.plan(), "no done");
  EXPECT_DEATH(w.scheduler.remove(1), "in the middle of a tick");
}

// A world of sequences that come, begin alike, grow, are preempted, cancelled and finish, from a
// seed. Every position that a sequence does not compute itself must hold what it would compute.
class Simulation {
 public:
  explicit Simulation(uint64_t seed)
      : env_(seed), blocks_(below(40) + 4),
        limits_{below(200) + 1, below(12) + 1, below(8) != 0}, pool_(blocks_),
        memory_(blocks_, static_cast<size_t>(below(2) * below(30))),
        scheduler_(limits_, pool_, memory_) {}

  void run() {
    for (int tick = 0; tick < 300 && !failed(); ++tick) {
      if (tick < 200 && below(3) == 0) arrive();
      if (below(10) == 0) cancel();
      if (below(5) == 0) memory_.damaged.insert(memory_.newest_ticket());
      step();
    }
    int ticks = 0;
    while (!live_.empty() && !failed() && ++ticks < 20'000) step();
    EXPECT_TRUE(live_.empty()) << "something starves";
    EXPECT_EQ(scheduler_.used(), 0);
    EXPECT_EQ(pool_.free() + scheduler_.tree().blocks(), pool_.size());
    scheduler_.drop_cache();
    EXPECT_EQ(pool_.free(), pool_.size());
    EXPECT_EQ(memory_.spilled(), 0u);
    preemptions += scheduler_.preemptions();
    shared += scheduler_.copies() + scheduler_.tree().stats().restored;
  }
  static inline int64_t preemptions = 0;
  static inline int64_t shared = 0;

 private:
  struct Truth {
    std::vector<TokenId> tokens;
    int computed = 0;
    int total = 0;
    uint64_t salt = 0;
    std::vector<TokenId> drafts = {};
    int prompt = 0;
  };

  static bool failed() {
    return ::testing::Test::HasFatalFailure() || ::testing::Test::HasNonfatalFailure();
  }
  int below(int n) {
    uint8_t bytes[2];
    env_.random(bytes);
    return n == 0 ? 0 : (bytes[0] | bytes[1] << 8) % n;
  }
  TokenId token() { return below(6) == 0 ? below(3) : 0; }  // so that texts begin alike
  void arrive() {
    Truth truth;
    truth.total = below(blocks_ * kBlockPositions) + 1;
    const int prompt = truth.prompt = below(truth.total) + 1;
    if (below(2) == 0 && !live_.empty()) {  // the same as another one, up to a place
      truth.tokens = std::next(live_.begin(), below(static_cast<int>(live_.size())))->second.tokens;
      if (below(2) == 0) truth.tokens.resize(static_cast<size_t>(below(prompt)));
    }
    while (std::ssize(truth.tokens) < prompt) truth.tokens.push_back(token());
    truth.tokens.resize(static_cast<size_t>(prompt));
    truth.salt = static_cast<uint64_t>(below(4) == 0);
    scheduler_.add(++newest_, {truth.tokens, truth.total, below(4) == 0 ? below(3) - 1 : 0,
                               truth.salt ? "other" : ""});
    live_[newest_] = truth;
  }
  void cancel() {
    if (live_.empty()) return;
    const auto at = std::next(live_.begin(), below(static_cast<int>(live_.size())));
    scheduler_.remove(at->first);
    live_.erase(at);
  }
  // The rows of the slice go through the model: their positions get what they mean.
  void compute(const Slice& slice) {
    Truth& truth = live_.at(slice.id);
    const auto& blocks = scheduler_.blocks(slice.id);
    ASSERT_GE(std::ssize(blocks), Scheduler::blocks_for(slice.begin + slice.count));
    const auto holds = [&](int position) -> uint64_t& {
      return memory_.at(blocks[static_cast<size_t>(position / kBlockPositions)])
                       [static_cast<size_t>(position % kBlockPositions)];
    };
    std::vector<TokenId> all = truth.tokens;
    all.insert(all.end(), truth.drafts.begin(), truth.drafts.end());
    const auto meanings = TestMemory::meanings(all, truth.salt);
    for (int i = 0; i < slice.begin; ++i) {
      ASSERT_EQ(holds(i), meanings[static_cast<size_t>(i)]) << "position " << i;
    }
    for (int i = slice.begin; i < slice.begin + slice.count; ++i) {
      const BlockId block = blocks[static_cast<size_t>(i / kBlockPositions)];
      ASSERT_EQ(pool_.references(block), 1) << "a shared block is written to";
      holds(i) = meanings[static_cast<size_t>(i)];
    }
  }
  void step() {
    for (auto& [id, truth] : live_) {
      truth.drafts.clear();
      if (below(3) != 0 || truth.computed < truth.prompt) continue;
      for (int i = below(6); i > 0; --i) truth.drafts.push_back(token());
      scheduler_.propose(id, static_cast<int>(truth.drafts.size()));
    }
    const auto plan = scheduler_.plan();
    for (const SequenceId id : scheduler_.preempted()) {
      live_.at(id).computed = 0;
      live_.at(id).drafts.clear();
    }
    int rows = 0;
    for (const Slice& slice : plan) {
      Truth& truth = live_.at(slice.id);
      ASSERT_GE(slice.begin, truth.computed);  // more, where it was shared
      ASSERT_GT(slice.count - slice.drafts, 0);
      ASSERT_LE(slice.begin + slice.count - slice.drafts, std::ssize(truth.tokens));
      ASSERT_EQ(slice.last,
                slice.begin + slice.count - slice.drafts == std::ssize(truth.tokens));
      ASSERT_LE(slice.drafts, std::ssize(truth.drafts));
      ASSERT_LE(std::ssize(truth.tokens) + slice.drafts, truth.total);
      truth.drafts.resize(static_cast<size_t>(slice.drafts));
      rows += slice.count;
      compute(slice);
      if (failed()) return;
    }
    ASSERT_LE(scheduler_.admitted(), limits_.sequences_max);
    ASSERT_LE(rows, limits_.tokens_per_tick + limits_.sequences_max);
    ASSERT_TRUE(!plan.empty() || live_.empty()) << "work waits and nothing is planned";
    ASSERT_LE(scheduler_.used(), pool_.size());
    scheduler_.done(plan);
    for (const Slice& slice : plan) decide(slice);
  }
  void decide(const Slice& slice) {
    Truth& truth = live_.at(slice.id);
    truth.computed = slice.begin + slice.count - slice.drafts;
    if (!slice.last) return;
    if (std::ssize(truth.tokens) == truth.total || below(20) == 0) {
      scheduler_.remove(slice.id);
      live_.erase(slice.id);
      return;
    }
    for (int i = below(slice.drafts + 1), at = 0; at < i; ++at) {
      truth.tokens.push_back(truth.drafts[static_cast<size_t>(at)]);
      scheduler_.append(slice.id, truth.tokens.back(), true);
      ++truth.computed;
    }
    const int forced = below(8) == 0 ? below(5 + 40 * below(2)) : 0;
    for (int i = 0; i <= forced && std::ssize(truth.tokens) < truth.total; ++i) {
      truth.tokens.push_back(token());
      scheduler_.append(slice.id, truth.tokens.back());
    }
  }

  SimEnv env_;
  int blocks_;
  SchedulerLimits limits_;
  BlockPool pool_;
  TestMemory memory_;
  Scheduler scheduler_;
  SequenceId newest_ = 0;
  std::map<SequenceId, Truth> live_;
};

TEST(Scheduler, LosesNothingInSimulatedWorlds) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Simulation(seed).run();
    if (::testing::Test::HasFatalFailure() || ::testing::Test::HasNonfatalFailure()) return;
  }
  EXPECT_GT(Simulation::preemptions, 100);
  EXPECT_GT(Simulation::shared, 1000);
}

}  // namespace
}  // namespace weft::runtime
