// SPDX-License-Identifier: Apache-2.0
#include "eval/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace weft::eval {
namespace {

constexpr size_t kLabelsMax = 200;  // more are no classes, but free text

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

std::string seconds_text(double seconds) {
  return seconds < 1 ? fmt::format("{:.1f} ms", 1000 * seconds) : fmt::format("{:.2f} s", seconds);
}

std::string p_text(double p) { return p < 0.001 ? "< 0.001" : fmt::format("{:.3f}", p); }

std::string field_title(const std::string& field) { return field == "$call" ? "tool" : field; }

std::string suite_title(const std::string& suite) { return suite.empty() ? "all suites" : suite; }

Cell share_cell(const Share* share) {
  if (share == nullptr || share->total == 0) return {""};
  const Interval i = share->interval();
  return {fmt::format("{} ({} of {}; {:.0f}–{:.0f})", percent(share->value()), share->right,
                      share->total, 100 * i.low, 100 * i.high),
          Tone::kPlain, share->value()};
}

// "3 (E0731: 1, E0925: 2)"
std::string errors_text(const Report& report) {
  std::map<std::string, int64_t> reasons;
  for (const CaseResult& result : report.cases) {
    if (result.error) ++reasons[*result.error];
  }
  std::string out;
  for (const auto& [code, count] : reasons) {
    out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", code, count);
  }
  return fmt::format("{} ({})", report.errors, out);
}

Section head(const Report& report) {
  const Subject& s = report.subject;
  Section out;
  out.table.header = {"", "what was evaluated"};
  out.table.text_columns = 2;
  const auto row = [&](std::string name, std::string value) {
    if (!value.empty()) out.table.rows.push_back({{std::move(name)}, {std::move(value)}});
  };
  row(s.kind, s.name);
  row("answered by", s.model);
  row("fingerprint", s.fingerprint);
  for (const auto& [name, value] : s.settings) row(name, value);
  row("started", s.started);
  row("weft", s.version);
  row("cases", fmt::format("{}, {} at once", report.cases.size(), s.parallel));
  if (s.cases_left > 0) {
    row("incomplete", fmt::format("interrupted; {} further cases were not run", s.cases_left));
  }
  row("without an answer", report.errors > 0 ? errors_text(report) : "");
  row("duration", seconds_text(s.seconds));
  row("tokens", fmt::format("{} prompt, {} thinking, {} answer", report.tokens_prompt,
                            report.tokens_reasoning, report.tokens_answer));
  if (s.peak_memory_bytes > 0) {
    row("peak memory",
        fmt::format("{:.0f} MiB: the whole process, with weights, results and the cache of "
                    "prompts, which grows with the cases",
                    static_cast<double>(s.peak_memory_bytes) / (1 << 20)));
  }
  return out;
}

Section floors_section(const std::vector<FloorOutcome>& floors) {
  const auto missed =
      std::ranges::count_if(floors, [](const FloorOutcome& outcome) { return !outcome.met; });
  Section out;
  out.title = "Floors";
  out.text = missed == 0 ? fmt::format("All {} floors are reached.", floors.size())
                         : fmt::format("{} of {} floors are missed.", missed, floors.size());
  out.table.header = {"floor", ""};
  out.table.text_columns = 2;
  for (const FloorOutcome& outcome : floors) {
    out.table.rows.push_back({{floor_text(outcome)},
                              {outcome.met ? "reached" : "missed",
                               outcome.met ? Tone::kGood : Tone::kBad}});
  }
  return out;
}

void add_shares(Document& document, const Report& report) {
  std::vector<std::string> suites = report.suites;
  if (suites.size() > 1) suites.push_back("");
  for (const std::string& suite : suites) {
    Section out;
    out.title = fmt::format("Right answers: {}", suite_title(suite));
    if (suite == suites.front()) {
      out.text = "Share of cases, in brackets their number and the 95 % interval of the share "
                 "(Wilson): two shares within each other's interval may well be the same.";
    }
    out.table.header = {"measure", "all"};
    for (const std::string& language : report.languages) out.table.header.push_back(language);
    for (const std::string& measure : report.measures(suite)) {
      std::vector<Cell> row = {{measure_title(measure)},
                               share_cell(report.share({suite, "", measure}))};
      for (const std::string& language : report.languages) {
        row.push_back(share_cell(report.share({suite, language, measure})));
      }
      out.table.rows.push_back(std::move(row));
    }
    document.sections.push_back(std::move(out));
  }
}

std::vector<Cell> difference_row(const Difference& d) {
  const double change = d.now.value() - d.before.value();
  const Tone tone = !d.significant() ? Tone::kPlain : change > 0 ? Tone::kGood : Tone::kBad;
  return {{suite_title(d.key.suite)},
          {d.key.language.empty() ? "all" : d.key.language},
          {measure_title(d.key.measure)},
          {percent(d.before.value())},
          {percent(d.now.value())},
          {fmt::format("{:+.1f}", 100 * change), tone},
          {fmt::format("{}", d.fixed)},
          {fmt::format("{}", d.broken)},
          {p_text(d.p), d.significant() ? Tone::kStrong : Tone::kPlain}};
}

Section comparison_section(const Report& report, const Comparison& comparison) {
  Section out;
  out.title = "Against the baseline";
  out.table.header = {"suite", "language", "measure", "before", "now", "points", "fixed", "broken",
                      "p"};
  out.table.text_columns = 3;
  size_t tests = 0;
  for (const Difference& d : comparison.differences) {
    const bool twice = report.suites.size() == 1 && d.key.suite.empty();
    if (d.fixed + d.broken == 0 || twice) continue;
    ++tests;
    out.table.rows.push_back(difference_row(d));
  }
  out.text = fmt::format(
      "{} of {}: {} cases in both, {} only there, {} only here. p is McNemar's exact test, "
      "two-sided: how likely chance alone makes a difference this uneven; above 0.05 call it "
      "noise. ",
      comparison.baseline.name, comparison.baseline.started, comparison.pairs,
      comparison.only_before, comparison.only_now);
  out.text += tests == 0 ? "Not one case changed."
                         : fmt::format("Rows without a changed case are left out; of the {} shown, "
                                       "chance alone puts up to one in twenty below 0.05.",
                                       tests);
  if (tests == 0) out.table.header.clear();
  return out;
}

Section calibration_section(const Report& report) {
  Section out;
  out.title = "Can the model's probabilities be believed";
  out.text =
      "Of a field's value, given everything before it: a field that follows from an earlier one is "
      "sure of itself even where that one was wrong. The expected calibration error is the mean "
      "distance between probability and share right.";
  out.table.header = {"field", "answers", "mean probability", "right", "calibration error"};
  for (const Reliability& reliability : report.reliability) {
    double sum = 0, right = 0;
    for (const ReliabilityBin& bin : reliability.bins) {
      sum += bin.probability_sum;
      right += static_cast<double>(bin.right);
    }
    const auto n = static_cast<double>(reliability.cases());
    CHECK(n > 0, "reliability of '{}' without cases", reliability.field);
    out.table.rows.push_back({{field_title(reliability.field)},
                              {fmt::format("{}", reliability.cases())},
                              {percent(sum / n)},
                              {percent(right / n)},
                              {fmt::format("{:.1f} points", 100 * reliability.error())}});
  }
  return out;
}

Section reliability_section(const Reliability& reliability) {
  Section out;
  out.title = fmt::format("Probabilities of {}", reliability.field);
  out.text = "Where the model says 90 %, 90 % should be right.";
  out.table.header = {"probability", "cases", "mean", "right"};
  out.chart = &reliability;
  for (size_t i = 0; i < reliability.bins.size(); ++i) {
    const ReliabilityBin& bin = reliability.bins[i];
    const auto n = static_cast<double>(std::max<int64_t>(bin.cases, 1));
    const auto of = [&](double sum) {
      return bin.cases == 0 ? Cell{""} : Cell{percent(sum / n)};
    };
    out.table.rows.push_back({{fmt::format("{}–{} %", 10 * i, 10 * (i + 1))},
                              {fmt::format("{}", bin.cases)},
                              of(bin.probability_sum),
                              of(static_cast<double>(bin.right))});
  }
  return out;
}

Section labels_section(const FieldReport& field) {
  Section out;
  out.title = fmt::format("Labels of {} in {}", field_title(field.field), field.suite);
  out.folded = true;
  const auto optional = [](std::optional<double> v) { return v ? Cell{percent(*v)} : Cell{""}; };
  if (field.labels.size() > kLabelsMax) {
    out.text = fmt::format("{} different values: not classes.", field.labels.size());
    return out;
  }
  out.text = fmt::format("Mean F1 over the labels that occur: {}.", percent(field.macro_f1()));
  out.table.header = {"label", "expected", "answered", "right", "precision", "recall", "F1"};
  for (const auto& [name, score] : field.labels) {
    out.table.rows.push_back({{name},
                              {fmt::format("{}", score.expected)},
                              {fmt::format("{}", score.found)},
                              {fmt::format("{}", score.right)},
                              optional(score.precision()),
                              optional(score.recall()),
                              {percent(score.f1()), Tone::kPlain, score.f1()}});
  }
  return out;
}

Section confusions_section(const FieldReport& field, size_t most) {
  std::vector<std::pair<std::pair<std::string, std::string>, int64_t>> pairs(
      field.confusions.begin(), field.confusions.end());
  std::ranges::stable_sort(pairs, [](const auto& a, const auto& b) { return a.second > b.second; });
  Section out;
  out.title = fmt::format("Confusions of {} in {}", field_title(field.field), field.suite);
  if (pairs.size() > most) {
    out.text = fmt::format("The {} most frequent of {} kinds.", most, pairs.size());
    pairs.resize(most);
  }
  out.table.header = {"expected", "answered", "cases"};
  out.table.text_columns = 2;
  for (const auto& [pair, count] : pairs) {
    out.table.rows.push_back({{pair.first}, {pair.second}, {fmt::format("{}", count)}});
  }
  return out;
}

Section speed_section(const Report& report) {
  Section out;
  out.title = "Seconds per case";
  out.text = report.subject.parallel > 1
                 ? fmt::format("{} cases ran at once, so a case shares the machine with others.",
                               report.subject.parallel)
                 : "One case at a time.";
  out.table.header = {"suite", "median", "p99", "mean", "longest"};
  for (const auto& [suite, times] : report.times) {
    if (suite.empty() && report.suites.size() == 1) continue;
    out.table.rows.push_back({{suite_title(suite)},
                              {seconds_text(times.median)},
                              {seconds_text(times.p99)},
                              {seconds_text(times.mean)},
                              {seconds_text(times.max)}});
  }
  return out;
}

Section mistakes_section(const Report& report, size_t most) {
  Section out;
  out.title = "Mistakes";
  out.folded = true;
  out.table.header = {"case", "input", "expected", "answer"};
  out.table.text_columns = 4;
  size_t count = 0;
  for (const CaseResult& result : report.cases) {
    const Mark* all = result.mark("$all");
    if (all == nullptr || all->right || ++count > most) continue;
    const std::string where = result.language.empty()
                                  ? fmt::format("{} {}", result.suite, result.id)
                                  : fmt::format("{} {} {}", result.suite, result.language,
                                                result.id);
    out.table.rows.push_back({{where}, {result.input}, {result.expected}, {result.answer}});
  }
  out.text = fmt::format("{} of {} cases have something wrong{}", count, report.cases.size(),
                         count > most ? fmt::format("; the first {}.", most) : ".");
  if (count == 0) out.table.header.clear();
  return out;
}

}  // namespace

Document make_document(const Report& report, const DocumentOptions& options) {
  Document out;
  out.title = fmt::format("Evaluation of {}{}", report.subject.name,
                          report.subject.cases_left > 0 ? " (incomplete)" : "");
  out.sections.push_back(head(report));
  if (options.floors != nullptr) out.sections.push_back(floors_section(*options.floors));
  add_shares(out, report);
  if (options.comparison != nullptr) {
    out.sections.push_back(comparison_section(report, *options.comparison));
  }
  out.sections.push_back(speed_section(report));
  for (const FieldReport& field : report.fields) {
    if (field.confusions.empty() || options.confusions_max == 0) continue;
    out.sections.push_back(confusions_section(field, options.confusions_max));
  }
  if (!report.reliability.empty()) out.sections.push_back(calibration_section(report));
  for (const Reliability& reliability : report.reliability) {
    if (options.details) out.sections.push_back(reliability_section(reliability));
  }
  for (const FieldReport& field : report.fields) {
    if (options.details) out.sections.push_back(labels_section(field));
  }
  if (options.mistakes_max > 0) {
    out.sections.push_back(mistakes_section(report, options.mistakes_max));
  }
  return out;
}

}  // namespace weft::eval
