// SPDX-License-Identifier: Apache-2.0
//
// What an evaluation found: shares by suite, language and measure; what was taken for what;
// whether the model's own probabilities can be believed; seconds, tokens, memory. Built from case
// results and nothing else, in their order, so the same results give the same report however they
// were computed. Its JSON form holds every case: that is what a later run is compared with.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "eval/score.h"
#include "eval/statistics.h"

namespace weft::eval {

// What was evaluated, and how; in the report's head.
struct Subject {
  std::string kind;         // "model" or "workflow"
  std::string name;         // the model's, or the workflow's file
  std::string model;        // names of the models that answered, joined by ", "
  std::string fingerprint;  // of the model; empty: unknown
  // What else the answers depend on, by name: system text, temperature, hash of the workflow, …
  std::vector<std::pair<std::string, std::string>> settings;
  int64_t parallel = 1;     // cases at once
  std::string started;      // ISO 8601
  std::string version;      // of weft
  double seconds = 0;       // of the whole evaluation
  int64_t peak_memory_bytes = 0;  // of the process; 0: unknown
  int64_t cases_left = 0;   // that never ended: the evaluation was interrupted
};

struct Share {
  int64_t right = 0;
  int64_t total = 0;
  double value() const {
    return total == 0 ? 0 : static_cast<double>(right) / static_cast<double>(total);
  }
  Interval interval() const { return wilson(right, total); }
};

// A measure over the cases of a suite and language; empty = all of them.
struct ShareKey {
  std::string suite;
  std::string language;
  std::string measure;
  auto operator<=>(const ShareKey&) const = default;
};

struct LabelScore {
  int64_t expected = 0;  // cases whose right answer this is
  int64_t found = 0;     // cases answered so
  int64_t right = 0;     // both
  std::optional<double> precision() const;  // absent: never answered
  std::optional<double> recall() const;     // absent: never expected
  double f1() const;  // 2 right / (expected + found)
};

// A field over all cases of a suite.
struct FieldReport {
  std::string suite;
  std::string field;
  std::map<std::string, LabelScore> labels;
  std::map<std::pair<std::string, std::string>, int64_t> confusions;  // (expected, found): cases
  double macro_f1() const;  // mean over the labels that are expected somewhere
};

struct ReliabilityBin {
  int64_t cases = 0;
  int64_t right = 0;
  double probability_sum = 0;
};
// Are answers given with probability p right in a share p of cases? Ten bins of equal width.
struct Reliability {
  std::string field;
  std::vector<ReliabilityBin> bins = std::vector<ReliabilityBin>(10);
  int64_t cases() const;
  // Expected calibration error: mean distance of share right and mean probability of a bin,
  // weighted by the bin's cases (Naeini, Cooper, Hauskrecht 2015).
  double error() const;
};

struct Times {
  double median = 0;
  double p99 = 0;
  double mean = 0;
  double max = 0;
};

struct Report {
  Subject subject;
  std::vector<CaseResult> cases;
  std::map<ShareKey, Share> shares;
  std::vector<std::string> suites;     // in order of appearance
  std::vector<std::string> languages;  // the same; without the empty one
  std::vector<FieldReport> fields;     // in order of appearance
  std::vector<Reliability> reliability;  // of fields with probabilities
  std::map<std::string, Times> times;    // by suite; "" = all
  int64_t tokens_prompt = 0;
  int64_t tokens_reasoning = 0;
  int64_t tokens_answer = 0;
  int64_t errors = 0;  // cases without an answer

  const Share* share(const ShareKey& key) const;
  // The measures of a suite (all suites if empty), in order of appearance.
  std::vector<std::string> measures(std::string_view suite) const;
};

Report make_report(Subject subject, std::vector<CaseResult> cases);

constexpr std::string_view kReportFormat = "weft-eval/1";
json::Object to_json(const Report& report);

// A measure as people read it: "$call" is "tool call exact".
std::string measure_title(std::string_view measure);

}  // namespace weft::eval
