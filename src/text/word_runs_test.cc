// SPDX-License-Identifier: Apache-2.0
#include "text/word_runs.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace weft::text {
namespace {

std::set<std::string> runs(std::string_view text, size_t words = 2, size_t bytes = 256) {
  std::set<std::string> out;
  WordRuns(std::string(text)).for_each(words, bytes, [&](std::string_view run) {
    out.emplace(run);
    return true;
  });
  return out;
}

using Texts = std::set<std::string>;

TEST(WordRuns, OneWordAndItsNeighbour) {
  EXPECT_EQ(runs("order C-17 please", 1), (Texts{"order", "C-17", "please"}));
  EXPECT_EQ(runs("order C-17 please", 2),
            (Texts{"order", "C-17", "please", "order C-17", "C-17 please"}));
}

TEST(WordRuns, MarksAroundAWordMayStay) {
  EXPECT_EQ(runs("#A99X21.", 1), (Texts{"#A99X21.", "#A99X21", "A99X21", "A99X21."}));
  EXPECT_EQ(runs("-12.50", 1), (Texts{"-12.50", "12.50"}));
  EXPECT_EQ(runs("zeph_0042's", 1), (Texts{"zeph_0042's", "zeph_0042"}));
  EXPECT_TRUE(runs("mail: a.b+c@x-y.org!", 1).contains("a.b+c@x-y.org"));
}

TEST(WordRuns, JsonIsReadAsWords) {
  const Texts found = runs(R"({"id":"C-17","n":5,"of":["a b"]})", 2);
  for (const char* wanted : {"id", "C-17", "5", "a", "b", "a b"}) {
    EXPECT_TRUE(found.contains(wanted)) << wanted;
  }
}

TEST(WordRuns, AnotherScriptEndsAWord) {
  const Texts found = runs("증권 HH-330-9921로 고객번호7740입니다", 1);
  for (const char* wanted : {"HH-330-9921", "HH-330-9921로", "7740", "증권"}) {
    EXPECT_TRUE(found.contains(wanted)) << wanted;
  }
  EXPECT_TRUE(runs("camión", 1) == Texts{"camión"});
}

TEST(WordRuns, NoWordsNoRuns) {
  for (const char* text : {"", " \n\t", "— … !?", "🙂 🙂", "\"()\""}) {
    EXPECT_EQ(runs(text), Texts{}) << text;
  }
}

TEST(WordRuns, BytesAndNumberAreBounds) {
  EXPECT_EQ(runs("abcdef gh", 2, 4), (Texts{"gh"}));
  int taken = 0;
  WordRuns("a b c d e").for_each(5, 256, [&](std::string_view) { return ++taken < 3; });
  EXPECT_EQ(taken, 3);
}

TEST(WordRuns, EveryRunStandsInTheText) {
  const std::string text = "El id es «u.88213»; ¿llegó WB/2026/00417, o no? 송장번호:KR-7이에요.";
  size_t count = 0;
  WordRuns(text).for_each(6, 256, [&](std::string_view run) {
    EXPECT_TRUE(!run.empty() && text.find(run) != std::string::npos) << run;
    ++count;
    return true;
  });
  EXPECT_GT(count, 20u);
}

}  // namespace
}  // namespace weft::text
