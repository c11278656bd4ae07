// SPDX-License-Identifier: Apache-2.0
//
// For tests: vocabularies, random answers of a grammar, and whether a text belongs to it. Answers
// are drawn with random weights for the tokens, so that rare turns are taken too. Nothing here is
// faster than it need be.
#pragma once

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>

#include "base/file.h"
#include "grammar/matcher.h"
#include "grammar/test_belongs.h"
#include "tests/golden/golden.h"

namespace weft::grammar {

inline VocabularyPtr mini_vocabulary() {
  static const VocabularyPtr one = [] {
    const auto tokenizer = text::Tokenizer::load(std::string(WEFT_SOURCE_DIR) +
                                                 "/tests/golden/tokenizers/mini/qwen3");
    return Vocabulary::of(tokenizer.value()).value();
  }();
  return one;
}

struct Answer {
  std::string text;
  std::vector<text::TokenId> tokens;
  bool complete = false;
};

// One random answer; ends by chance where it may.
inline Answer random_answer(const std::shared_ptr<Grammar>& grammar, std::optional<int64_t> left,
                            std::mt19937_64& random, size_t tokens_max = 2000) {
  constexpr text::TokenId kEnd = 0x7FFF0;  // a token of no text, as <|im_end|> is
  const size_t size = kEnd + 1;
  MatcherOptions options;
  options.tokens_left = left;
  options.ends = {kEnd};
  auto matcher = Matcher::create(grammar, options).value();
  TokenMask mask(size);
  Answer answer;
  const TokenTrie& trie = grammar->vocabulary().trie;
  while (answer.tokens.size() < tokens_max) {
    mask.clear();
    mask.allow_all();
    EXPECT_TRUE(matcher->mask(mask));
    std::vector<text::TokenId> allowed;
    for (size_t id = 0; id < trie.vocabulary(); ++id) {
      if (mask.allowed(static_cast<text::TokenId>(id))) {
        allowed.push_back(static_cast<text::TokenId>(id));
      }
    }
    const bool may_end = mask.allowed(kEnd);
    EXPECT_EQ(may_end, matcher->complete());
    EXPECT_TRUE(may_end || !allowed.empty()) << answer.text;
    if (may_end && (allowed.empty() || random() % 3 == 0)) {
      answer.complete = true;
      return answer;
    }
    if (allowed.empty()) return answer;
    // Of some tokens the longest or any: both shapes of texts occur.
    text::TokenId id = allowed[random() % allowed.size()];
    if (random() % 4 == 0) {
      for (int i = 0; i < 8; ++i) {
        const text::TokenId other = allowed[random() % allowed.size()];
        if (trie.bytes(other).find_first_of("\"}],:") != std::string_view::npos) id = other;
      }
    }
    answer.tokens.push_back(id);
    answer.text += trie.bytes(id);
    if (matcher->on_token(id) == Verdict::kStop) {
      answer.complete = matcher->complete();
      return answer;
    }
  }
  return answer;
}

}  // namespace weft::grammar
