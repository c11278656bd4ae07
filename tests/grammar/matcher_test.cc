// SPDX-License-Identifier: Apache-2.0
// Answers under grammars: valid for every budget, masks equal to those of the slow twin, rollback,
// forced tokens.
#include <atomic>
#include <functional>
#include <future>
#include <thread>

#include "base/strings.h"
#include "grammar/grammars.h"
#include "tests/grammar/answers.h"

#include "schema/validator.h"

namespace weft::grammar {
namespace {

schema::Schema schema_of(std::string_view text) {
  schema::ParseOptions options;
  options.assert_formats = true;
  return schema::Schema::parse(json::parse(text).value(), options).value();
}

const std::vector<std::string>& corpus() {
  static const std::vector<std::string> all = [] {
    const std::string path = std::string(WEFT_SOURCE_DIR) + "/tests/grammar/schemas.jsonl";
    std::vector<std::string> lines;
    const std::string text = read_file(path).value();
    for (const std::string_view line : split(text, '\n')) {
      if (!line.empty()) lines.emplace_back(line);
    }
    return lines;
  }();
  return all;
}

void expect_valid(const schema::Schema& tree, const Answer& answer, const std::string& source) {
  ASSERT_TRUE(answer.complete) << source << " got " << answer.text;
  const auto value = json::parse(answer.text);
  ASSERT_TRUE(value.ok()) << source << " got " << answer.text << value.error().text();
  const auto violations = schema::validate(tree, *value);
  ASSERT_TRUE(violations.empty()) << source << " got " << answer.text << violations[0].text();
}

TEST(Matcher, RandomAnswersAreValidForEveryBudget) {
  std::mt19937_64 random(7);
  for (const std::string& source : corpus()) {
    const schema::Schema tree = schema_of(source);
    for (const auto spacing : {SchemaOptions::Spacing::kCompact, SchemaOptions::Spacing::kSpaced,
                               SchemaOptions::Spacing::kOptional}) {
      SchemaOptions options;
      options.spacing = spacing;
      options.closed_objects = random() % 2 == 0;
      const auto grammar = Grammar::of_schema(mini_vocabulary(), tree, options);
      ASSERT_TRUE(grammar.ok()) << source << grammar.error().text();
      const int64_t min = (*grammar)->fewest_tokens();
      EXPECT_GT(min, 0);
      EXPECT_EQ((*grammar)->check_fits(min - 1).error().code, "E0326");
      for (int64_t left = min; left <= std::max<int64_t>(min + 8, 64); left += 1 + left / 24) {
        const Answer answer = random_answer(*grammar, left, random);
        EXPECT_LE(answer.tokens.size(), static_cast<size_t>(left));
        expect_valid(tree, answer, source);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

// The slow twin: each token alone, byte by byte, without caches or groups.
TEST(Matcher, MasksEqualTheSlowTwin) {
  std::mt19937_64 random(11);
  const VocabularyPtr vocabulary = mini_vocabulary();
  size_t compared = 0;
  for (const std::string& source : corpus()) {
    const auto grammar = Grammar::of_schema(vocabulary, schema_of(source)).value();
    const int64_t min = grammar->fewest_tokens();
    for (const int64_t extra : {int64_t{0}, int64_t{3}, int64_t{12}, int64_t{500}}) {
      MatcherOptions options;
      options.tokens_left = min + extra;
      auto matcher = Matcher::create(grammar, options).value();
      TokenMask mask(vocabulary->trie.vocabulary());
      for (int step = 0; step < 12 && !matcher->over(); ++step) {
        mask.allow_all();
        matcher->mask(mask);
        std::vector<text::TokenId> allowed;
        for (size_t i = 0; i < vocabulary->trie.vocabulary(); ++i) {
          const auto id = static_cast<text::TokenId>(i);
          ASSERT_EQ(mask.allowed(id), matcher->allows(id))
              << source << " +" << extra << " token '" << vocabulary->trie.bytes(id) << "' step "
              << step;
          if (mask.allowed(id)) allowed.push_back(id);
          ++compared;
        }
        if (allowed.empty()) break;
        matcher->on_token(allowed[random() % allowed.size()]);
      }
    }
  }
  EXPECT_GT(compared, 100'000u);
}

TEST(Matcher, FewestTokensNeverExceedWhatIsLeft) {
  std::mt19937_64 random(3);
  for (const std::string& source : corpus()) {
    const auto grammar = Grammar::of_schema(mini_vocabulary(), schema_of(source)).value();
    MatcherOptions options;
    uint32_t left = grammar->fewest_tokens();
    options.tokens_left = left;
    auto matcher = Matcher::create(grammar, options).value();
    TokenMask mask(grammar->vocabulary().trie.vocabulary());
    while (!matcher->over()) {
      ASSERT_LE(matcher->fewest_tokens(), left) << source;
      mask.allow_all();
      matcher->mask(mask);
      std::vector<text::TokenId> allowed;
      for (size_t i = 0; i < mask.size(); ++i) {
        if (mask.allowed(static_cast<text::TokenId>(i))) {
          allowed.push_back(static_cast<text::TokenId>(i));
        }
      }
      ASSERT_FALSE(allowed.empty()) << source;
      matcher->on_token(allowed[random() % allowed.size()]);
      --left;
    }
    EXPECT_TRUE(matcher->complete());
  }
}

TEST(Matcher, RollbackRestoresEverything) {
  std::mt19937_64 random(5);
  for (const std::string& source : corpus()) {
    const auto grammar = Grammar::of_schema(mini_vocabulary(), schema_of(source)).value();
    MatcherOptions options;
    options.tokens_left = grammar->fewest_tokens() + 20;
    options.rollback_max = 3;
    auto matcher = Matcher::create(grammar, options).value();
    const size_t size = grammar->vocabulary().trie.vocabulary();
    const auto allowed = [&] {
      TokenMask mask(size);
      mask.allow_all();
      matcher->mask(mask);
      std::vector<text::TokenId> ids;
      for (size_t i = 0; i < size; ++i) {
        if (mask.allowed(static_cast<text::TokenId>(i))) ids.push_back(static_cast<int>(i));
      }
      return ids;
    };
    for (int step = 0; step < 6 && !matcher->over(); ++step) {
      const auto before = allowed();
      if (before.empty()) break;
      size_t taken = 0;
      for (; taken < 3 && !matcher->over(); ++taken) {
        const auto now = allowed();
        if (now.empty()) break;
        matcher->on_token(now[random() % now.size()]);
      }
      matcher->rollback(taken);
      ASSERT_EQ(allowed(), before) << source;
      matcher->on_token(before[random() % before.size()]);
    }
  }
}

TEST(Matcher, ForcedTokensAreTheTokenizersOwn) {
  const auto grammar = Grammar::of_schema(mini_vocabulary(), schema_of(corpus()[1])).value();
  auto matcher = Matcher::create(grammar, {}).value();
  const auto& tokenizer = *grammar->vocabulary().tokenizer;
  std::mt19937_64 random(2);
  std::vector<text::TokenId> ids;
  std::string text;
  size_t forced = 0;
  while (!matcher->over()) {
    auto id = matcher->forced();
    if (id) {
      ++forced;
      EXPECT_TRUE(matcher->allows(*id));
    } else {
      // the model is a canonical one: it writes the text that it means as the tokenizer would
      const std::string answer = R"({"intent":"refund","urgent":true})";
      const auto all = tokenizer.encode(answer, text::Tokenizer::AddedTokens::kNone);
      ASSERT_LT(ids.size(), all.size());
      id = all[ids.size()];
    }
    ids.push_back(*id);
    text += grammar->vocabulary().trie.bytes(*id);
    matcher->on_token(*id);
  }
  EXPECT_EQ(text, R"({"intent":"refund","urgent":true})");
  EXPECT_EQ(ids, tokenizer.encode(text, text::Tokenizer::AddedTokens::kNone));
  EXPECT_GT(forced, 0u);
}

TEST(Matcher, KeysDoNotRepeat) {
  std::mt19937_64 random(13);
  const schema::Schema tree = schema_of(
      R"({"type":"object","additionalProperties":{"const":0},
          "propertyNames":{"pattern":"^(aa|bb)*$"}})");
  const auto grammar = Grammar::of_schema(mini_vocabulary(), tree).value();
  for (int64_t left = grammar->fewest_tokens(); left < 300; left += 3) {
    expect_valid(tree, random_answer(grammar, left, random), "aa or bb");
  }
}

// From here on the answer has to hurry: how many tokens that takes, and how many were not forced.
struct Way {
  int tokens = 0, choices = 0;
};
Way end_in_haste(Matcher& matcher, Haste haste, const std::function<text::TokenId()>& draw,
                 std::string& text) {
  const auto& trie = matcher.trie();
  matcher.wrap_up(haste);
  Way way;
  while (!matcher.over() && !matcher.complete()) {
    auto id = matcher.forced();
    if (id) {
      EXPECT_TRUE(matcher.allows(*id));
    } else {
      ++way.choices;
      id = draw();
    }
    ++way.tokens;
    text += trie.bytes(*id);
    matcher.on_token(*id);
  }
  return way;
}

TEST(Matcher, HasteEndsAnAnswerFromAnywhere) {
  std::mt19937_64 random(17);
  int64_t chosen = 0, told = 0;
  for (const std::string& source : corpus()) {
    const schema::Schema tree = schema_of(source);
    const auto grammar = Grammar::of_schema(mini_vocabulary(), tree).value();
    TokenMask mask(grammar->vocabulary().trie.vocabulary());
    for (const Haste haste : {Haste::kShortest, Haste::kAtOnce}) {
      for (const int begun : {0, 1, 3, 10, 30}) {
        MatcherOptions options;
        options.keeps_time = true;
        auto matcher = Matcher::create(grammar, options).value();
        const auto draw = [&] {
          mask.allow_all();
          matcher->mask(mask);
          std::vector<text::TokenId> allowed;
          for (size_t i = 0; i < mask.size(); ++i) {
            if (mask.allowed(static_cast<int>(i))) allowed.push_back(static_cast<int>(i));
          }
          EXPECT_FALSE(allowed.empty()) << source;
          return allowed[random() % allowed.size()];
        };
        std::string text;
        for (int i = 0; i < begun && !matcher->over(); ++i) {
          const text::TokenId id = draw();
          text += grammar->vocabulary().trie.bytes(id);
          matcher->on_token(id);
        }
        const Ending ending = matcher->ending(haste);
        const Way way = end_in_haste(*matcher, haste, draw, text);
        EXPECT_LE(way.tokens, ending.tokens) << source;
        if (haste == Haste::kAtOnce) {
          EXPECT_EQ(way.choices, 0) << source << text;
        } else if (begun == 0) {
          chosen += way.choices;
          told += ending.passes;
        }
        expect_valid(tree, {.text = text, .tokens = {}, .complete = true}, source);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
  EXPECT_LE(chosen, told);
  EXPECT_GT(chosen * 4, told) << "far more was expected than came";
}

TEST(Matcher, ChoiceRegexAndEnds) {
  const std::vector<std::string> texts = {"yes", "no", "no way"};
  const auto grammar = Grammar::of_choice(mini_vocabulary(), texts).value();
  std::mt19937_64 random(1);
  std::set<std::string> seen;
  for (int i = 0; i < 60; ++i) {
    const Answer answer = random_answer(grammar, std::nullopt, random);
    ASSERT_TRUE(answer.complete);
    seen.insert(answer.text);
  }
  EXPECT_EQ(seen, (std::set<std::string>{"no", "no way", "yes"}));
  EXPECT_EQ(Grammar::of_choice(mini_vocabulary(), {}).error().code, "E0324");
  const auto regex = Grammar::of_regex(mini_vocabulary(), "\\d{3}-[a-f]+").value();
  EXPECT_TRUE(belongs(regex->rules(), "123-abc"));
  EXPECT_FALSE(belongs(regex->rules(), "x123-abc"));
}

// While one grammar is compiled others are, and the same one only once.
TEST(Grammars, CompileBesideEachOther) {
  Grammars grammars(*mini_vocabulary()->tokenizer, mini_vocabulary()->trie.vocabulary());
  std::promise<void> other_made;
  std::atomic<int> compiled = 0;
  const auto slow = [&] {
    return grammars.of("slow", [&](VocabularyPtr vocabulary) {
      ++compiled;
      EXPECT_EQ(other_made.get_future().wait_for(std::chrono::seconds(60)),
                std::future_status::ready);
      return Grammar::of_regex(std::move(vocabulary), "a+");
    });
  };
  auto first = std::async(std::launch::async, slow);
  while (compiled == 0) std::this_thread::yield();
  auto second = std::async(std::launch::async, slow);
  EXPECT_TRUE(grammars.of_regex("b+").ok());
  other_made.set_value();
  EXPECT_EQ(first.get().value(), second.get().value());
  EXPECT_EQ(compiled, 1);
  const auto fails = [](VocabularyPtr) -> Result<GrammarPtr> { return make_error("E0324", "no"); };
  EXPECT_FALSE(grammars.of("bad", fails).ok());
  EXPECT_FALSE(grammars.of("bad", fails).ok());
}

}  // namespace
}  // namespace weft::grammar
