// SPDX-License-Identifier: Apache-2.0
#include "eval/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/document.h"

namespace weft::eval {
namespace {

using testing::HasSubstr;
using testing::Not;

CaseResult result_of(const std::string& suite, const std::string& id, const std::string& language,
                     const std::string& expected, const std::string& found,
                     std::optional<double> probability = std::nullopt) {
  CaseResult out;
  out.suite = suite;
  out.id = id;
  out.language = language;
  out.input = "input of " + id;
  out.expected = expected;
  out.answer = found;
  const bool right = expected == found;
  out.marks = {{"category", right}, {"$valid", true}, {"$all", right}};
  out.fields = {{"category", expected, found, right, probability}};
  out.seconds = 0.001 * static_cast<double>(id.size());
  out.tokens_prompt = 10;
  out.tokens_answer = 2;
  return out;
}

Report small_report() {
  Subject subject;
  subject.kind = "model";
  subject.name = "m<1>";
  subject.started = "2026-11-21T00:00:00.000Z";
  return make_report(subject, {result_of("triage", "a", "en", "billing", "billing", 0.95),
                               result_of("triage", "bb", "en", "billing", "general", 0.92),
                               result_of("triage", "ccc", "ko", "general", "general", 0.55),
                               result_of("triage", "dddd", "", "technical", "general", 1.0),
                               result_of("other", "a", "ko", "general", "general")});
}

TEST(Report, SaysThatItIsIncompleteAndWhyAnswersAreMissing) {
  Subject subject;
  subject.kind = "workflow";
  subject.name = "w.yaml";
  subject.cases_left = 7;
  subject.peak_memory_bytes = int64_t{5} << 20;
  CaseResult late = result_of("triage", "b", "en", "billing", "");
  late.error = "E0926";
  CaseResult asks = result_of("triage", "c", "en", "billing", "");
  asks.error = "E0925";
  const CaseResult good = result_of("triage", "a", "en", "billing", "billing");
  const Report report = make_report(subject, {good, late, asks, late});
  const std::string text = markdown(make_document(report, {}));
  EXPECT_THAT(text, HasSubstr("w.yaml (incomplete)"));
  EXPECT_THAT(text, HasSubstr("interrupted; 7 further cases were not run"));
  EXPECT_THAT(text, HasSubstr("3 (E0925: 1, E0926: 2)"));
  EXPECT_THAT(text, HasSubstr("5 MiB: the whole process"));
  EXPECT_EQ(to_json(report).at("subject").at("cases_left").as_int64(), 7);
}

TEST(Report, CountsSuitesLanguagesAndBoth) {
  const Report report = small_report();
  const auto share = [&](const ShareKey& key) {
    const Share* found = report.share(key);
    return found == nullptr ? "none" : fmt::format("{}/{}", found->right, found->total);
  };
  EXPECT_EQ(share({"", "", "category"}), "3/5");
  EXPECT_EQ(share({"triage", "", "category"}), "2/4");
  EXPECT_EQ(share({"triage", "en", "category"}), "1/2");
  EXPECT_EQ(share({"", "ko", "category"}), "2/2");
  EXPECT_EQ(share({"other", "en", "category"}), "none");
  EXPECT_EQ(report.suites, (std::vector<std::string>{"triage", "other"}));
  EXPECT_EQ(report.languages, (std::vector<std::string>{"en", "ko"}));
  EXPECT_EQ(report.tokens_prompt, 50);
  EXPECT_EQ(report.times.at("triage").max, 0.004);
  EXPECT_EQ(report.measures(""), (std::vector<std::string>{"category", "$valid", "$all"}));
}

TEST(Report, PrecisionRecallAndConfusions) {
  const Report report = small_report();
  const FieldReport& field = report.fields.at(0);
  const LabelScore& billing = field.labels.at("billing");
  EXPECT_EQ(billing.precision(), 1.0);
  EXPECT_EQ(billing.recall(), 0.5);
  EXPECT_NEAR(billing.f1(), 2.0 / 3, 1e-12);
  const LabelScore& general = field.labels.at("general");
  EXPECT_NEAR(general.precision().value(), 1.0 / 3, 1e-12);
  EXPECT_EQ(field.labels.at("technical").precision(), std::nullopt);
  EXPECT_NEAR(field.macro_f1(), (2.0 / 3 + 0.5 + 0) / 3, 1e-12);
  EXPECT_EQ(field.confusions.at({"billing", "general"}), 1);
}

TEST(Report, CalibrationBins) {
  const Report report = small_report();
  ASSERT_EQ(report.reliability.size(), 1U);
  const Reliability& r = report.reliability[0];
  EXPECT_EQ(r.cases(), 4);
  EXPECT_EQ(r.bins[5].cases, 1);
  EXPECT_EQ(r.bins[9].cases, 3);  // 1.0 is in the last bin
  EXPECT_EQ(r.bins[9].right, 1);
  EXPECT_NEAR(r.error(), (std::abs(1 - 0.55) + std::abs(1 - (0.95 + 0.92 + 1.0))) / 4, 1e-12);
}

TEST(Report, JsonIsItsOwnBaseline) {
  const Report report = small_report();
  const std::string text = json::dump(to_json(report));
  auto baseline = read_baseline(text, "r.json");
  ASSERT_TRUE(baseline.ok()) << baseline.error().text();
  const Comparison same = compare(report, std::move(baseline).value());
  EXPECT_EQ(same.pairs, 5);
  EXPECT_TRUE(same.changed.empty());
  for (const Difference& d : same.differences) EXPECT_EQ(d.p, 1);
}

TEST(Compare, CountsWhatWasFixedAndBroken) {
  std::vector<CaseResult> before, now;
  for (int i = 0; i < 10; ++i) {
    const std::string id = fmt::format("case{}", i);
    before.push_back(result_of("s", id, "en", "x", i < 1 ? "x" : "y"));
    now.push_back(result_of("s", id, "en", "x", i >= 1 ? "x" : "y"));
  }
  before.push_back(result_of("s", "gone", "en", "x", "x"));
  now.push_back(result_of("s", "new", "en", "x", "x"));
  const Report report = make_report({}, now);
  const Comparison c = compare(
      report, read_baseline(json::dump(to_json(make_report({}, before))), "r").value());
  EXPECT_EQ(c.pairs, 10);
  EXPECT_EQ(c.only_before, 1);
  EXPECT_EQ(c.only_now, 1);
  EXPECT_EQ(c.changed.size(), 10U);
  for (const Difference& d : c.differences) {
    if (d.key.measure != "category") continue;
    EXPECT_EQ(d.fixed, 9);
    EXPECT_EQ(d.broken, 1);
    EXPECT_NEAR(d.p, 22.0 / 1024, 1e-12);
    EXPECT_TRUE(d.significant());
  }
}

TEST(Compare, WhatIsNoReportIsRefused) {
  for (const char* text :
       {"", "[]", "{}", R"({"format": "weft-eval/2", "cases": []})", R"({"format": "weft-eval/1"})",
        R"({"format": "weft-eval/1", "cases": [3]})",
        R"({"format": "weft-eval/1", "cases": [{"suite": "s", "id": "i"}]})",
        R"({"format": "weft-eval/1", "cases": [{"suite": "s", "id": "i", "marks": {"a": 1}}]})",
        R"({"format": "weft-eval/1", "cases": [{"suite": "s", "id": "i", "marks": {}},
                                              {"suite": "s", "id": "i", "marks": {}}]})"}) {
    const auto read = read_baseline(text, "old.json");
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.error().code, "E0921");
    EXPECT_THAT(read.error().message, HasSubstr("old.json"));
  }
}

std::vector<FloorOutcome> checked(const std::string& floors) {
  auto read = read_floors(
      R"({"format": "weft-eval-floors/1", "floors": [)" + floors + "]}", "f.json");
  EXPECT_TRUE(read.ok()) << (read.ok() ? "" : read.error().text());
  return check_floors(small_report(), read.ok() ? *read : std::vector<Floor>());
}

TEST(Floors, AreMetOrMissed) {
  const auto outcomes = checked(R"(
    {"measure": "category", "at_least": 0.6}, {"measure": "category", "at_least": 0.61},
    {"suite": "triage", "language": "en", "measure": "category", "at_least": 0.5},
    {"measure": "seconds p99", "at_most": 0.004}, {"measure": "seconds median", "at_most": 0.001},
    {"suite": "triag", "measure": "category", "at_least": 0},
    {"measure": "$all", "at_most": 0.6})");
  std::string met;
  for (const FloorOutcome& outcome : outcomes) met += outcome.met ? '1' : '0';
  EXPECT_EQ(met, "1011001");
  EXPECT_EQ(floor_text(outcomes[1]), "all suites: category 60.0 % (3 of 5), at least 61.0 %");
  EXPECT_THAT(floor_text(outcomes[5]), HasSubstr("no case has this measure"));
  EXPECT_FALSE(outcomes[5].known);
}

TEST(Floors, BadDocumentsAreRefused) {
  for (const char* floor :
       {"3", "{}", R"({"measure": "a"})", R"({"measure": "a", "at_least": "x"})",
        R"({"measure": "a", "at_least": 92})", R"({"measure": "a", "at_least": -1})",
        R"({"measure": 3, "at_least": 1})", R"({"measure": "a", "at_least": 1, "at_most": 1})",
        R"({"measure": "a", "atleast": 1})"}) {
    const auto read = read_floors(
        fmt::format(R"({{"format": "weft-eval-floors/1", "floors": [{}]}})", floor), "f.json");
    ASSERT_FALSE(read.ok()) << floor;
    EXPECT_EQ(read.error().code, "E0922");
    EXPECT_THAT(read.error().message, HasSubstr("f.json: floor 1: "));
  }
  for (const char* text : {"", "{}", R"({"format": "weft-eval-floors/1", "floors": []})"}) {
    EXPECT_FALSE(read_floors(text, "f.json").ok()) << text;
  }
}

TEST(Document, EscapesWhatOthersWrote) {
  Report report = small_report();
  report.cases[1].input = "<script>alert(1)</script> | **x**\n# y";
  report.fields[0].confusions[{"<b>|", "`q`"}] = 3;
  report.fields[0].confusions[{"_a_", "card_lost"}] = 3;
  const auto floors = checked(R"({"measure": "category", "at_least": 0.9})");
  const Comparison comparison =
      compare(report, read_baseline(json::dump(to_json(report)), "r").value());
  const Document document =
      make_document(report, {.comparison = &comparison, .floors = &floors});
  const std::string page = html(document);
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, HasSubstr("m&lt;1&gt;"));
  EXPECT_THAT(page, HasSubstr("1 of 1 floors are missed"));
  EXPECT_THAT(page, HasSubstr("Not one case changed."));
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark"));
  for (const char* outside : {"http:", "https:", "src=", "@import", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  }
  const std::string text = markdown(document);
  EXPECT_THAT(text, HasSubstr(R"(\<script>alert(1)\</script> \| \*\*x\*\* # y)"));
  EXPECT_THAT(text, HasSubstr(R"(| \_a\_ | card_lost | 3 |)"));
  EXPECT_THAT(text, HasSubstr("| category | 60.0 % (3 of 5; 23–88) |"));
}

TEST(Document, ManyValuesAreNoClasses) {
  std::vector<CaseResult> results;
  for (int i = 0; i < 300; ++i) {
    results.push_back(result_of("s", fmt::format("c{}", i), "en", fmt::format("v{}", i), "x"));
  }
  const Report report = make_report({}, results);
  const std::string text =
      markdown(make_document(report, {.confusions_max = 5, .mistakes_max = 7}));
  EXPECT_THAT(text, HasSubstr("301 different values: not classes."));
  EXPECT_THAT(text, HasSubstr("The 5 most frequent of 300 kinds."));
  EXPECT_THAT(text, HasSubstr("300 of 300 cases have something wrong; the first 7."));
}

}  // namespace
}  // namespace weft::eval
