// SPDX-License-Identifier: Apache-2.0
//
// For tests: each has an empty database of a PostgreSQL server that its suite starts; skipped where
// none can be started. A fixture with a SetUp() of its own calls this one's first, and does nothing
// more if IsSkipped().
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "store/postgres_cluster.h"

namespace weft::store {

class PostgresTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { cluster_ = PostgresCluster::start(); }
  static void TearDownTestSuite() { cluster_.reset(); }
  void SetUp() override {
    if (cluster_ == nullptr) GTEST_SKIP() << "SKIPPED: no PostgreSQL server can be started here";
    url_ = cluster_->new_database();
  }
  static inline std::unique_ptr<PostgresCluster> cluster_;
  std::string url_;
};

}  // namespace weft::store
