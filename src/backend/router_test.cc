// SPDX-License-Identifier: Apache-2.0
#include "backend/router.h"

#include <gtest/gtest.h>

namespace weft::backend {
namespace {

TEST(Ledger, KeepsOnlyWhatHasACeiling) {
  RouteWish wish;
  wish.run = "run_1";
  wish.account = "key_1";
  Ledger open{Ceilings{}};
  open.add(wish, 0, 2);
  EXPECT_EQ(open.spent(wish, 0).run, 0);
  EXPECT_EQ(open.spent(wish, 0).account, 0);
  EXPECT_EQ(open.spent(wish, 0).month, 2);
  Ledger held{Ceilings{.run = 5, .account = 5}};
  held.add(wish, 0, 2);
  held.add(wish, 0, 1);
  EXPECT_EQ(held.spent(wish, 0).run, 3);
  EXPECT_EQ(held.spent(wish, 0).account, 3);
  wish.run = "run_2";
  EXPECT_EQ(held.spent(wish, 0).run, 0);
}

}  // namespace
}  // namespace weft::backend
