// SPDX-License-Identifier: Apache-2.0
//
// The JSON-Schema-Test-Suite, draft 2020-12. Every required test passes; of the optional ones the
// test states how many do not, so that a change in either direction is seen.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "base/file.h"
#include "schema/validator.h"

namespace weft::schema {
namespace {

namespace fs = std::filesystem;

const fs::path kSuite = fs::path(WEFT_SOURCE_DIR) / "tests/data/json-schema-test-suite";

json::Value load(const fs::path& path) {
  json::ParseOptions options;
  options.big_integers = json::ParseOptions::BigIntegers::kAsDouble;
  return json::parse(read_file(path.string()).value(), options).value();
}

const Remotes& remotes() {
  static const Remotes all = [] {
    Remotes out;
    for (const auto& entry : fs::recursive_directory_iterator(kSuite / "remotes")) {
      if (!entry.is_regular_file()) continue;
      const std::string path = fs::relative(entry.path(), kSuite / "remotes").string();
      out.emplace("http://localhost:1234/" + path, load(entry.path()));
    }
    return out;
  }();
  return all;
}

struct Score {
  size_t passed = 0;
  std::vector<std::string> failed;
};

Score run_file(const fs::path& path, bool assert_formats) {
  Score score;
  const json::Value cases = load(path);
  for (const json::Value& one : cases.as_array()) {
    ParseOptions options;
    options.remotes = &remotes();
    options.assert_formats = assert_formats;
    const auto schema = Schema::parse(one.at("schema"), options);
    for (const json::Value& test : one.at("tests").as_array()) {
      std::string name = path.stem().string() + ": " + one.at("description").as_string().c_str() +
                         ": " + test.at("description").as_string().c_str();
      if (!schema.ok()) {
        score.failed.push_back(name + ": " + schema.error().text());
        continue;
      }
      const bool expected = test.at("valid").as_bool();
      const bool all = validate(*schema, test.at("data")).empty();
      const bool first = is_valid(*schema, test.at("data"));
      EXPECT_EQ(all, first) << name;
      if (all == expected) {
        ++score.passed;
      } else {
        score.failed.push_back(name + (expected ? ": refused" : ": accepted"));
      }
    }
  }
  return score;
}

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

TEST(Suite, EveryRequiredTestPasses) {
  size_t passed = 0;
  for (const fs::path& path : files_of(kSuite / "tests/draft2020-12")) {
    const Score score = run_file(path, false);
    passed += score.passed;
    for (const std::string& name : score.failed) ADD_FAILURE() << name;
  }
  RecordProperty("passed", static_cast<int>(passed));
  printf("required: %zu passed\n", passed);
  EXPECT_GT(passed, 1200u);  // a suite that was not found passes nothing
}

void expect_failures(const fs::path& folder, bool assert_formats,
                     const std::map<std::string, size_t>& expected) {
  size_t passed = 0;
  for (const fs::path& path : files_of(folder)) {
    const Score score = run_file(path, assert_formats);
    passed += score.passed;
    const auto known = expected.find(path.stem().string());
    const size_t wanted = known == expected.end() ? 0 : known->second;
    printf("%-28s %3zu passed %3zu failed\n", path.stem().c_str(), score.passed,
           score.failed.size());
    EXPECT_EQ(score.failed.size(), wanted) << path.stem();
    if (score.failed.size() == wanted) continue;
    for (const std::string& name : score.failed) printf("  %s\n", name.c_str());
  }
  EXPECT_GT(passed, 100u);
}

TEST(Suite, OptionalTests) {
  // a schema of draft 2019-09 is not read as such
  expect_failures(kSuite / "tests/draft2020-12/optional", false, {{"cross-draft", 1}});
}

TEST(Suite, OptionalFormats) {
  // look-behind of variable width, the contents of A-labels, and two formats that stay annotations
  expect_failures(kSuite / "tests/draft2020-12/optional/format", true,
                  {{"ecmascript-regex", 1},
                   {"hostname", 22},
                   {"idn-hostname", 54},
                   {"uri-template", 13}});
}

}  // namespace
}  // namespace weft::schema
