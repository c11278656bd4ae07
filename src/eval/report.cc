// SPDX-License-Identifier: Apache-2.0
#include "eval/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace weft::eval {
namespace {

void add_once(std::vector<std::string>& names, const std::string& name) {
  if (std::ranges::find(names, name) == names.end()) names.push_back(name);
}

// Every case counts for everything, for its suite, for its language, and for both together.
void count_shares(Report& report, const CaseResult& result) {
  std::vector<std::string> languages = {""};
  if (!result.language.empty()) languages.push_back(result.language);
  for (const Mark& mark : result.marks) {
    for (const std::string& suite : {std::string(), result.suite}) {
      for (const std::string& language : languages) {
        Share& share = report.shares[{suite, language, mark.measure}];
        ++share.total;
        share.right += mark.right ? 1 : 0;
      }
    }
  }
}

FieldReport& field_report(Report& report, const std::string& suite, const std::string& field) {
  for (FieldReport& known : report.fields) {
    if (known.suite == suite && known.field == field) return known;
  }
  return report.fields.emplace_back(FieldReport{suite, field, {}, {}});
}

Reliability& reliability_of(Report& report, const std::string& field) {
  for (Reliability& known : report.reliability) {
    if (known.field == field) return known;
  }
  Reliability& added = report.reliability.emplace_back();
  added.field = field;
  return added;
}

void count_fields(Report& report, const CaseResult& result) {
  for (const FieldOutcome& outcome : result.fields) {
    FieldReport& field = field_report(report, result.suite, outcome.field);
    ++field.labels[outcome.expected].expected;
    ++field.labels[outcome.found].found;
    if (outcome.right) {
      ++field.labels[outcome.expected].right;
    } else {
      ++field.confusions[{outcome.expected, outcome.found}];
    }
    if (!outcome.probability) continue;
    const double p = *outcome.probability;
    CHECK(p >= 0 && p <= 1, "probability {}", p);
    Reliability& reliability = reliability_of(report, outcome.field);
    const size_t bins = reliability.bins.size();
    ReliabilityBin& bin =
        reliability.bins[std::min(static_cast<size_t>(p * static_cast<double>(bins)), bins - 1)];
    ++bin.cases;
    bin.right += outcome.right ? 1 : 0;
    bin.probability_sum += p;
  }
}

Times times_of(const std::vector<double>& seconds) {
  CHECK(!seconds.empty());
  double sum = 0;
  for (const double s : seconds) sum += s;
  return {quantile(seconds, 0.5), quantile(seconds, 0.99),
          sum / static_cast<double>(seconds.size()), quantile(seconds, 1)};
}

void count_times(Report& report) {
  std::map<std::string, std::vector<double>> seconds;
  for (const CaseResult& result : report.cases) {
    seconds[""].push_back(result.seconds);
    seconds[result.suite].push_back(result.seconds);
  }
  for (const auto& [suite, values] : seconds) report.times[suite] = times_of(values);
}

json::Object subject_json(const Report& report) {
  const Subject& s = report.subject;
  json::Object settings;
  for (const auto& [name, value] : s.settings) settings[name] = value;
  return {{"kind", s.kind},
          {"name", s.name},
          {"model", s.model},
          {"fingerprint", s.fingerprint},
          {"settings", std::move(settings)},
          {"parallel", s.parallel},
          {"started", s.started},
          {"version", s.version},
          {"cases_left", s.cases_left}};
}

json::Object share_row(const ShareKey& key, const Share& share) {
  const Interval interval = share.interval();
  return {{"suite", key.suite},         {"language", key.language},
          {"measure", key.measure},     {"right", share.right},
          {"total", share.total},       {"share", share.value()},
          {"low", interval.low},        {"high", interval.high}};
}

json::Object field_json(const FieldReport& field) {
  json::Object labels;
  for (const auto& [name, score] : field.labels) {
    const auto number = [](std::optional<double> v) { return v ? json::Value(*v) : json::Value(); };
    labels[name] = json::Object{{"expected", score.expected}, {"found", score.found},
                                {"right", score.right},
                                {"precision", number(score.precision())},
                                {"recall", number(score.recall())}, {"f1", score.f1()}};
  }
  json::Array confusions;
  for (const auto& [pair, count] : field.confusions) {
    confusions.push_back(
        json::Object{{"expected", pair.first}, {"found", pair.second}, {"cases", count}});
  }
  return {{"suite", field.suite}, {"field", field.field}, {"macro_f1", field.macro_f1()},
          {"labels", std::move(labels)}, {"confusions", std::move(confusions)}};
}

json::Object reliability_json(const Reliability& reliability) {
  json::Array bins;
  for (size_t i = 0; i < reliability.bins.size(); ++i) {
    const ReliabilityBin& bin = reliability.bins[i];
    const auto n = static_cast<double>(std::max<int64_t>(bin.cases, 1));
    bins.push_back(json::Object{{"from", static_cast<double>(i) / 10},
                                {"cases", bin.cases},
                                {"right", bin.right},
                                {"mean_probability", bin.probability_sum / n}});
  }
  return {{"field", reliability.field}, {"cases", reliability.cases()},
          {"expected_calibration_error", reliability.error()}, {"bins", std::move(bins)}};
}

json::Object case_json(const CaseResult& result) {
  json::Object marks, probabilities;
  for (const Mark& mark : result.marks) marks[mark.measure] = mark.right;
  for (const FieldOutcome& outcome : result.fields) {
    if (outcome.probability) probabilities[outcome.field] = *outcome.probability;
  }
  json::Object out{{"suite", result.suite},       {"id", result.id},
                   {"language", result.language}, {"input", result.input},
                   {"expected", result.expected}, {"answer", result.answer},
                   {"marks", std::move(marks)},   {"seconds", result.seconds},
                   {"tokens", json::Object{{"prompt", result.tokens_prompt},
                                           {"reasoning", result.tokens_reasoning},
                                           {"answer", result.tokens_answer}}}};
  if (!probabilities.empty()) out["probabilities"] = std::move(probabilities);
  if (result.error) out["error"] = *result.error;
  return out;
}

json::Object times_json(const Times& times) {
  return {{"median", times.median}, {"p99", times.p99}, {"mean", times.mean}, {"max", times.max}};
}

}  // namespace

std::optional<double> LabelScore::precision() const {
  if (found == 0) return std::nullopt;
  return static_cast<double>(right) / static_cast<double>(found);
}

std::optional<double> LabelScore::recall() const {
  if (expected == 0) return std::nullopt;
  return static_cast<double>(right) / static_cast<double>(expected);
}

double LabelScore::f1() const {
  const int64_t sum = expected + found;
  return sum == 0 ? 0 : 2 * static_cast<double>(right) / static_cast<double>(sum);
}

double FieldReport::macro_f1() const {
  double sum = 0;
  int64_t count = 0;
  for (const auto& [name, score] : labels) {
    if (score.expected == 0) continue;
    sum += score.f1();
    ++count;
  }
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

int64_t Reliability::cases() const {
  int64_t sum = 0;
  for (const ReliabilityBin& bin : bins) sum += bin.cases;
  return sum;
}

double Reliability::error() const {
  double distance = 0;
  for (const ReliabilityBin& bin : bins) {
    distance += std::abs(static_cast<double>(bin.right) - bin.probability_sum);
  }
  return cases() == 0 ? 0 : distance / static_cast<double>(cases());
}

const Share* Report::share(const ShareKey& key) const {
  const auto at = shares.find(key);
  return at == shares.end() ? nullptr : &at->second;
}

std::vector<std::string> Report::measures(std::string_view suite) const {
  std::vector<std::string> names;
  for (const CaseResult& result : cases) {
    if (!suite.empty() && result.suite != suite) continue;
    for (const Mark& mark : result.marks) add_once(names, mark.measure);
  }
  // What every case has goes to the end.
  for (const char* const common : {"$valid", "$all"}) {
    const auto at = std::ranges::find(names, common);
    if (at != names.end()) std::rotate(at, at + 1, names.end());
  }
  return names;
}

Report make_report(Subject subject, std::vector<CaseResult> cases) {
  CHECK(!cases.empty());
  Report report;
  report.subject = std::move(subject);
  report.cases = std::move(cases);
  for (const CaseResult& result : report.cases) {
    add_once(report.suites, result.suite);
    if (!result.language.empty()) add_once(report.languages, result.language);
    count_shares(report, result);
    count_fields(report, result);
    report.tokens_prompt += result.tokens_prompt;
    report.tokens_reasoning += result.tokens_reasoning;
    report.tokens_answer += result.tokens_answer;
    report.errors += result.error ? 1 : 0;
  }
  count_times(report);
  return report;
}

json::Object to_json(const Report& report) {
  json::Array shares, fields, reliability, cases;
  for (const auto& [key, share] : report.shares) shares.push_back(share_row(key, share));
  for (const FieldReport& field : report.fields) fields.push_back(field_json(field));
  for (const Reliability& r : report.reliability) reliability.push_back(reliability_json(r));
  for (const CaseResult& result : report.cases) cases.push_back(case_json(result));
  json::Object seconds;
  for (const auto& [suite, times] : report.times) {
    seconds[suite.empty() ? "$all" : suite] = times_json(times);
  }
  return {{"format", kReportFormat},
          {"subject", subject_json(report)},
          {"seconds", report.subject.seconds},
          {"peak_memory_bytes", report.subject.peak_memory_bytes},
          {"errors", report.errors},
          {"tokens", json::Object{{"prompt", report.tokens_prompt},
                                  {"reasoning", report.tokens_reasoning},
                                  {"answer", report.tokens_answer}}},
          {"seconds_per_case", std::move(seconds)},
          {"shares", std::move(shares)},
          {"fields", std::move(fields)},
          {"reliability", std::move(reliability)},
          {"cases", std::move(cases)}};
}

std::string measure_title(std::string_view measure) {
  if (measure == "$call") return "tool call exact";
  if (measure == "$call name") return "tool name";
  if (measure == "$calls") return "tool calls acceptable";
  if (measure == "$calls names") return "tool names";
  if (measure == "$text") return "text";
  if (measure == "$valid") return "valid form";
  if (measure == "$all") return "everything right";
  return std::string(measure);
}

}  // namespace weft::eval
