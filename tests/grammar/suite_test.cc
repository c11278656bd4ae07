// SPDX-License-Identifier: Apache-2.0
//
// Grammars against the JSON-Schema-Test-Suite (draft 2020-12) and against real schemas. For every
// schema that compiles: instances called invalid are not in the language; instances called valid
// are, if some order of members makes them canonical; random answers are valid.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "tests/grammar/answers.h"
#include "schema/validator.h"
#include "schema/value.h"

namespace weft::grammar {
namespace {

namespace fs = std::filesystem;

const fs::path kSuite = fs::path(WEFT_SOURCE_DIR) / "tests/data/json-schema-test-suite";

json::Value load(const fs::path& path) {
  json::ParseOptions options;
  options.big_integers = json::ParseOptions::BigIntegers::kAsDouble;
  return json::parse(read_file(path.string()).value(), options).value();
}

const schema::Remotes& remotes() {
  static const schema::Remotes all = [] {
    schema::Remotes out;
    for (const auto& entry : fs::recursive_directory_iterator(kSuite / "remotes")) {
      if (!entry.is_regular_file()) continue;
      const std::string path = fs::relative(entry.path(), kSuite / "remotes").string();
      out.emplace("http://localhost:1234/" + path, load(entry.path()));
    }
    return out;
  }();
  return all;
}

// The canonical texts of a value for all orders of its members, as far as they are few.
std::vector<std::string> texts_of(const json::Value& value) {
  constexpr size_t kMax = 1000;
  std::vector<std::string> out;
  if (value.is_array()) {
    out = {"["};
    for (size_t i = 0; i < value.get_array().size(); ++i) {
      std::vector<std::string> longer;
      for (const std::string& before : out) {
        for (const std::string& item : texts_of(value.get_array()[i])) {
          if (longer.size() < kMax) longer.push_back(before + (i > 0 ? "," : "") + item);
        }
      }
      out = std::move(longer);
    }
    for (std::string& text : out) text += "]";
    return out;
  }
  if (!value.is_object()) return {json::dump(value)};
  std::vector<std::string> keys;
  for (const auto& member : value.get_object()) keys.emplace_back(member.key());
  std::sort(keys.begin(), keys.end());
  do {
    std::vector<std::string> orders = {"{"};
    for (size_t i = 0; i < keys.size(); ++i) {
      std::vector<std::string> longer;
      for (const std::string& before : orders) {
        std::string key = before + (i > 0 ? "," : "");
        json::append_quoted(key, keys[i]);
        for (const std::string& item : texts_of(value.get_object().at(keys[i]))) {
          if (longer.size() < kMax) longer.push_back(key + ":" + item);
        }
      }
      orders = std::move(longer);
    }
    for (std::string& text : orders) out.push_back(text + "}");
  } while (out.size() < kMax && std::next_permutation(keys.begin(), keys.end()));
  return out;
}

bool is_in(const Rules& rules, const json::Value& value) {
  const auto texts = texts_of(value);
  return std::any_of(texts.begin(), texts.end(),
                     [&](const std::string& text) { return belongs(rules, text); });
}

// Values whose canonical text is not the one that a grammar writes: 1.0 for an integer, 1e308.
bool has_unusual_number(const json::Value& value) {
  if (value.is_double()) {
    const double number = value.get_double();
    return schema::is_integer(value) || std::abs(number) >= 1e15;
  }
  if (value.is_uint64()) return true;
  if (value.is_array()) {
    for (const auto& item : value.get_array()) {
      if (has_unusual_number(item)) return true;
    }
  }
  if (value.is_object()) {
    for (const auto& member : value.get_object()) {
      if (has_unusual_number(member.value())) return true;
    }
  }
  return false;
}

TEST(GrammarSuite, AcceptsWhatIsValidAndNothingElse) {
  SchemaOptions options;
  options.closed_objects = false;
  options.formats = false;
  size_t compiled = 0, refused = 0, accepted = 0, rejected = 0, unusual = 0;
  std::map<std::string, size_t> codes;
  std::mt19937_64 random(17);
  for (const auto& entry : fs::directory_iterator(kSuite / "tests/draft2020-12")) {
    if (entry.path().extension() != ".json") continue;
    const json::Value cases = load(entry.path());
    for (const json::Value& one : cases.as_array()) {
      schema::ParseOptions parsing;
      parsing.remotes = &remotes();
      const auto tree = schema::Schema::parse(one.at("schema"), parsing);
      ASSERT_TRUE(tree.ok());
      const auto grammar = Grammar::of_schema(mini_vocabulary(), *tree, options);
      const std::string name = entry.path().stem().string() + ": " +
                               one.at("description").as_string().c_str();
      if (!grammar.ok()) {
        ++refused;
        ++codes[grammar.error().code];
        if (grammar.error().code != "E0324") continue;
        for (const json::Value& test : one.at("tests").as_array()) {  // nothing fits at all
          EXPECT_FALSE(test.at("valid").as_bool() && !has_unusual_number(test.at("data"))) << name;
        }
        continue;
      }
      ++compiled;
      for (const json::Value& test : one.at("tests").as_array()) {
        const bool is = is_in((*grammar)->rules(), test.at("data"));
        if (!test.at("valid").as_bool()) {
          EXPECT_FALSE(is) << name << ": " << test.at("description").as_string();
          ++rejected;
        } else if (has_unusual_number(test.at("data"))) {
          ++unusual;
        } else {
          EXPECT_TRUE(is) << name << ": " << test.at("description").as_string() << " "
                          << json::dump(test.at("data"));
          ++accepted;
        }
      }
      for (int i = 0; i < 2; ++i) {
        const int64_t left = (*grammar)->fewest_tokens() + (i == 0 ? 0 : 20);
        const Answer answer = random_answer(*grammar, left, random);
        ASSERT_TRUE(answer.complete) << name << ": " << answer.text;
        const auto value = json::parse(answer.text);
        ASSERT_TRUE(value.ok()) << name << ": " << answer.text;
        EXPECT_TRUE(schema::is_valid(*tree, *value)) << name << ": " << answer.text;
      }
    }
  }
  printf("%zu schemas compile, %zu do not; %zu valid instances accepted, %zu with unusual numbers, "
         "%zu invalid ones not\n", compiled, refused, accepted, unusual, rejected);
  for (const auto& [code, count] : codes) printf("  %s: %zu schemas\n", code.c_str(), count);
  EXPECT_GT(compiled, 150u);
  EXPECT_GT(accepted, 300u);
}

// BFCL has types of Python, Java and JavaScript: here by JSON Schema's names (as tools/bfcl).
json::Value with_json_types(const json::Value& value) {
  static const std::map<std::string, std::string> kNames = {
      {"dict", "object"},    {"HashMap", "object"}, {"float", "number"},    {"double", "number"},
      {"int", "integer"},    {"long", "integer"},   {"tuple", "array"},     {"list", "array"},
      {"Array", "array"},    {"ArrayList", "array"}, {"String", "string"},  {"char", "string"},
      {"bool", "boolean"},   {"Boolean", "boolean"}, {"any", ""},           {"", ""}};
  if (!value.is_object()) return value;
  json::Object out;
  for (const auto& member : value.get_object()) {
    const std::string_view word = member.key();
    if (word == "optional" || word == "default" || word == "format") continue;
    if (word == "properties") {
      json::Object properties;
      for (const auto& property : member.value().as_object()) {
        properties[property.key()] = with_json_types(property.value());
      }
      out[word] = std::move(properties);
    } else if (word == "type") {
      const std::string name(member.value().as_string());
      const auto known = kNames.find(name);
      const std::string is = known == kNames.end() ? name : known->second;
      if (!is.empty()) out["type"] = is;
    } else {
      out[word] = with_json_types(member.value());
    }
  }
  // A few lists carry the words of their elements themselves.
  const json::Value* type = out.if_contains("type");
  const json::Value* words = out.if_contains("enum");
  if (type != nullptr && *type == "array" && words != nullptr && words->as_array()[0].is_string()) {
    json::Value moved(*words);  // a new member may take the others elsewhere
    out.erase("enum");
    out["items"].as_object()["enum"] = std::move(moved);
  }
  return out;
}

// The functions of one file, all of which must have a grammar whose answers are valid.
size_t check_functions(const fs::path& file, std::mt19937_64& random) {
  const std::string text = golden::unpacked(file.string());
  size_t functions = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const auto line = json::parse(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
    if (!line.ok()) continue;
    for (const json::Value& function : line->at("function").as_array()) {
      ++functions;
      const auto tree = schema::Schema::parse(with_json_types(function.at("parameters")));
      const std::string name(function.at("name").as_string());
      EXPECT_TRUE(tree.ok()) << name << ": " << tree.error().text();
      if (!tree.ok()) continue;
      const auto grammar = Grammar::of_schema(mini_vocabulary(), *tree);
      EXPECT_TRUE(grammar.ok()) << name << ": " << grammar.error().text();
      if (!grammar.ok()) continue;
      const Answer answer = random_answer(*grammar, (*grammar)->fewest_tokens() + 30, random);
      EXPECT_TRUE(answer.complete) << answer.text;
      const auto value = json::parse(answer.text);
      EXPECT_TRUE(value.ok() && schema::is_valid(*tree, *value)) << name << answer.text;
    }
  }
  return functions;
}

TEST(GrammarSuite, EveryFunctionOfTheLeaderboard) {
  const char* given = std::getenv("WEFT_DATA");
  const fs::path data =
      fs::path(given != nullptr ? given : WEFT_SOURCE_DIR "/../shared/data") / "bfcl";
  if (!fs::exists(data)) GTEST_SKIP() << "SKIPPED: BFCL functions not found (set WEFT_DATA)";
  size_t functions = 0;
  std::mt19937_64 random(23);
  for (const auto& entry : fs::directory_iterator(data)) {
    if (entry.path().extension() == ".gz") functions += check_functions(entry.path(), random);
  }
  printf("%zu functions\n", functions);
  EXPECT_GT(functions, 2000u);
}

}  // namespace
}  // namespace weft::grammar
