// SPDX-License-Identifier: Apache-2.0
#include "runtime/side_jobs.h"

#include <gtest/gtest.h>

#include <string>

#include "tensor/ops.h"

namespace weft::runtime {
namespace {

// Each letter is a call of the job of that name; what it says is read from its plan.
std::string order_of(const std::string& plan_a, const std::string& plan_b) {
  const auto ops = tensor::Ops::create({.threads = 1, .table = {}}).value();
  SideJobs jobs;
  std::string order;
  for (const auto& [name, plan] : {std::pair('a', plan_a), std::pair('b', plan_b)}) {
    jobs.add([&order, name = name, plan = plan, at = size_t{0}](tensor::Ops&) mutable {
      order += name;
      const char said = plan.at(at++);
      return said == 'g' ? SideWork::kGoOn : said == 'p' ? SideWork::kPause : SideWork::kDone;
    });
  }
  while (jobs.work(*ops)) {
  }
  return order;
}

TEST(SideJobs, TakeTurnsUnlessTheyHoldMemory) {
  EXPECT_EQ(order_of("ppd", "ppd"), "ababab");
  EXPECT_EQ(order_of("ggpgd", "gd"), "aaabbaa") << "only where one pauses another begins";
}

}  // namespace
}  // namespace weft::runtime
