// SPDX-License-Identifier: Apache-2.0
#include "text/bpe.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>

namespace weft::text {
namespace {

using Ids = std::vector<TokenId>;

// A random vocabulary over the bytes a..d, and the procedure of the definition as the plain twin.
struct RandomBpe {
  std::vector<std::string> texts;  // by id
  std::vector<Merge> merges;
  std::string arena;
  std::vector<uint32_t> offsets{0};
  std::unique_ptr<Bpe> bpe;

  RandomBpe(uint32_t seed, size_t merge_count) {
    std::mt19937 random(seed);
    std::map<std::string, TokenId> known;
    for (int b = 0; b < 256; ++b) {
      texts.emplace_back(1, static_cast<char>(b));
      known[texts.back()] = b;
    }
    while (merges.size() < merge_count) {
      const auto pick = [&]() -> TokenId {
        const size_t i = random() % (texts.size() - 252);
        return static_cast<TokenId>(i < 4 ? 'a' + i : 252 + i);
      };
      const TokenId left = pick();
      const TokenId right = pick();
      const std::string joined =
          texts[static_cast<size_t>(left)] + texts[static_cast<size_t>(right)];
      if (joined.size() > 40 || known.contains(joined)) continue;
      known[joined] = static_cast<TokenId>(texts.size());
      merges.push_back({left, right, known[joined]});
      texts.push_back(joined);
    }
    for (const std::string& text : texts) {
      arena += text;
      offsets.push_back(static_cast<uint32_t>(arena.size()));
    }
    std::vector<TokenId> byte_tokens;
    for (TokenId b = 0; b < 256; ++b) byte_tokens.push_back(b);
    bpe = std::make_unique<Bpe>(byte_tokens, merges);
    bpe->index_words(arena.data(), offsets);
  }

  Ids plain(std::string_view word) const {
    Ids ids;
    for (const char byte : word) ids.push_back(static_cast<uint8_t>(byte));
    for (;;) {
      size_t best_rank = merges.size();
      size_t best_at = 0;
      for (size_t i = 0; i + 1 < ids.size(); ++i) {
        for (size_t rank = 0; rank < best_rank; ++rank) {
          if (merges[rank].left == ids[i] && merges[rank].right == ids[i + 1]) {
            best_rank = rank;
            best_at = i;
          }
        }
      }
      if (best_rank == merges.size()) return ids;
      ids[best_at] = merges[best_rank].merged;
      ids.erase(ids.begin() + static_cast<ptrdiff_t>(best_at) + 1);
    }
  }
  Ids fast(std::string_view word) const {
    Ids ids;
    bpe->encode(word, ids);
    return ids;
  }
};

TEST(Bpe, EveryFastPathAgreesWithThePlainProcedure) {
  for (uint32_t seed = 0; seed < 30; ++seed) {
    const RandomBpe tested(seed, 60);
    std::mt19937 random(seed + 1000);
    for (int round = 0; round < 400; ++round) {
      // around the border of 64 bytes between array and heap, and short
      const size_t size = round % 2 == 0 ? random() % 12 : 55 + random() % 20;
      std::string word;
      for (size_t i = 0; i < size; ++i) word += static_cast<char>('a' + random() % 4);
      ASSERT_EQ(tested.fast(word), tested.plain(word)) << "seed " << seed << " word " << word;
    }
    for (const std::string& token : tested.texts) {
      ASSERT_EQ(tested.fast(token), tested.plain(token)) << "seed " << seed << " token " << token;
    }
  }
}

TEST(Bpe, EqualPairsMergeFromTheLeft) {
  const std::vector<Merge> merges = {{'a', 'a', 256}};
  std::vector<TokenId> byte_tokens;
  for (TokenId b = 0; b < 256; ++b) byte_tokens.push_back(b);
  const Bpe bpe(byte_tokens, merges);
  Ids ids;
  bpe.encode("aaa", ids);
  EXPECT_EQ(ids, (Ids{256, 'a'}));
  ids.clear();
  bpe.encode(std::string(101, 'a'), ids);
  EXPECT_EQ(ids.size(), 51u);
  EXPECT_EQ(ids.back(), 'a');
}

TEST(Bpe, OfEqualMergesTheLastCounts) {
  std::vector<TokenId> byte_tokens;
  for (TokenId b = 0; b < 256; ++b) byte_tokens.push_back(b);
  const Bpe bpe(byte_tokens, {{'a', 'b', 256}, {'b', 'c', 257}, {'a', 'b', 256}});
  Ids ids;
  bpe.encode("abc", ids);
  EXPECT_EQ(ids, (Ids{'a', 257}));
}

TEST(Bpe, NoWordsNoTokens) {
  const RandomBpe tested(1, 10);
  EXPECT_TRUE(tested.fast("").empty());
}

// Doubling merges (aa, aaaa, …) are the worst case of a procedure that scans for each merge.
TEST(Bpe, AMegabyteOfOneLetterTakesLinearithmicTime) {
  std::vector<TokenId> byte_tokens;
  for (TokenId b = 0; b < 256; ++b) byte_tokens.push_back(b);
  std::vector<Merge> merges = {{'a', 'a', 256}};
  for (TokenId id = 256; id < 263; ++id) merges.push_back({id, id, id + 1});
  const Bpe bpe(byte_tokens, merges);
  Ids ids;
  bpe.encode(std::string(1 << 20, 'a'), ids);  // the test's time limit is the assertion
  EXPECT_EQ(ids, Ids((1 << 20) / 256, 263));
}

}  // namespace
}  // namespace weft::text
