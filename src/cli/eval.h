// SPDX-License-Identifier: Apache-2.0
//
// `weft eval CASES…`: puts cases through a model or a workflow and reports how many are right, how
// long they took and how sure the model was; compares with an earlier report; holds the result to
// floors. What is right, and what a report says, is the module eval's business; running is ours.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/grants.h"

namespace weft::cli {

struct EvalOptions {
  std::vector<std::string> files;   // JSON lines of cases
  std::string workflow;             // empty: the model is asked directly
  std::string model;                // empty: default, or as the workflow says
  std::string system;               // in front of every case's messages
  std::string schema;               // file: a grammar holds a model's answers to it
  std::string prompt = "{}";        // around a case's input: {} is where it goes
  bool think = false;
  bool no_think = false;
  std::optional<int64_t> max_tokens;   // of a model asked directly: 512
  std::optional<double> temperature;   // of such a model: 0
  uint64_t seed = 0;
  int64_t parallel = 1;             // cases at once
  int64_t limit = 0;                // cases of each suite and language; 0 = all
  std::vector<std::string> suites;  // only these; empty: all
  Grants grants;                    // weft.yaml, other servers' models, what steps may reach
  std::optional<double> case_timeout_s;  // 0: none; absent: as case_limit_s() says
  std::string baseline;             // an earlier report to compare with
  std::string require;              // floors to hold the result to
  std::string markdown;             // files to write; empty: none
  std::string html;
  bool json = false;
};

int run_eval(const EvalOptions& options);

}  // namespace weft::cli
