// SPDX-License-Identifier: Apache-2.0
#include "base/git_blob.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

// `git hash-object` says these.
TEST(GitBlob, KnownAnswers) {
  EXPECT_EQ(git_blob_hex(""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  EXPECT_EQ(git_blob_hex("hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
}

}  // namespace
}  // namespace weft
