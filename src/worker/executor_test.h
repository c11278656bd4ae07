// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the executor share: a store in a directory of its own, simulated processes on
// it, and the ways in which a test looks at what came out.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "security/data_keys.h"
#include "worker/executor.h"
#include "worker/run_context.h"
#include "worker/run_report.h"
#include "worker/sim_world.h"
#include "workflow/loader.h"

namespace weft::worker {

class ExecutorTest : public ::testing::Test {
 protected:
  ExecutorTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "weft-exec-XXXXXX").string();
    CHECK(::mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    reader_ = SimStore::open(store(), env_, reader_faults_).value();
  }
  ~ExecutorTest() override {
    reader_.reset();
    std::filesystem::remove_all(directory_);
  }
  std::string store() const { return (directory_ / "store.db").string(); }
  std::unique_ptr<SimProcess> process(int64_t room = 0, int64_t park_us = 0,
                                      int64_t inbox_ms = JournalOptions().inbox_ms) {
    return std::make_unique<SimProcess>(env_, store(), room, park_us, nullptr, inbox_ms);
  }
  // The same store, with payloads that are sealed; from the first such process on.
  StorePlace sealed_store() const {
    return {store(), []() -> Result<std::string> { return std::string(kMasterKey); }};
  }
  std::unique_ptr<SimProcess> sealed_process() {
    return std::make_unique<SimProcess>(env_, sealed_store(), 10);
  }
  // The tenant gets a newer data key, and then its row is damaged. Who has an older one in memory
  // meets the new one within a minute; another process does at once.
  security::WrappedKey damage_newest_key(std::string_view tenant) {
    const auto masters = security::MasterKeys::parse(kMasterKey).value();
    const auto known = security::newest_data_key(*reader_, tenant).value();
    const int64_t version = known ? known->version + 1 : 1;
    const auto row = security::make_data_key(*reader_, masters, tenant, version).value();
    set_wrapped(row.id, "damaged");
    return row;
  }
  void set_wrapped(const std::string& key, std::string_view bytes) {
    CHECK(reader_->run("UPDATE data_key SET wrapped = $1 WHERE id = $2",
                       {store::Value::blob(bytes), key}).value() == 1);
  }
  static std::shared_ptr<const workflow::Workflow> parsed(std::string_view yaml) {
    auto loaded = workflow::load(yaml);
    for (const auto& problem : loaded.errors) ADD_FAILURE() << workflow::text(problem, "test");
    CHECK(loaded.workflow != nullptr);
    return loaded.workflow;
  }
  NewRun request(std::string_view yaml, json::Value input = json::Object()) const {
    NewRun run;
    run.workflow = parsed(yaml);
    run.input = std::move(input);
    run.context = to_json(RunContext{.roots = {directory_.string()}, .model = {}});
    return run;
  }
  // Lets everything happen that is due, and time pass to the next timer, for at most `us`.
  void settle(SimProcess& process, int64_t us = 60'000'000) {
    const int64_t end = env_.wall_us() + us;
    for (;;) {
      while (process.loop().turn() || process.journal().pump()) {
      }
      if (env_.wall_us() >= end) return;
      const int64_t next = process.loop().next_timer_us().value_or(end);
      env_.advance_us(std::clamp<int64_t>(next - env_.wall_us(), 1,
                                          std::min<int64_t>(1'000'000, end - env_.wall_us())));
    }
  }
  json::Object document(const std::string& run) { return read_run_document(*reader_, run).value(); }
  std::string status(const std::string& run) { return read_summary(*reader_, run)->status; }
  int64_t number(std::string_view sql) {
    auto rows = reader_->query(sql, {}).value();
    CHECK(rows->next().value());
    return rows->int64(0);
  }

  static constexpr std::string_view kMasterKey =
      "1111111111111111111111111111111111111111111111111111111111111111";
  SimEnv env_{1};
  SimFaults reader_faults_;
  std::filesystem::path directory_;
  std::unique_ptr<store::Db> reader_;
};

}  // namespace weft::worker
