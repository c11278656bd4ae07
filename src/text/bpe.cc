// SPDX-License-Identifier: Apache-2.0
#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

namespace weft::text {
namespace {

uint64_t pair_key(TokenId left, TokenId right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}
// Multiplication spreads the key over the upper bits, which the shift keeps.
uint64_t pair_hash(uint64_t key) { return (key ^ key >> 29) * 0x9E3779B97F4A7C15u; }

uint64_t read_bytes(const char* at, size_t count) {
  uint64_t value = 0;
  std::memcpy(&value, at, count);
  return value;
}

// Eight bytes at a time, each folded in by a 64 x 64 -> 128 bit multiplication.
uint64_t word_hash(std::string_view word) {
  using Wide = unsigned __int128;
  uint64_t hash = word.size() * 0x9E3779B97F4A7C15u;
  const auto fold = [&hash](uint64_t part) {
    const Wide product = static_cast<Wide>(part ^ 0xA0761D6478BD642Fu ^ hash) *
                         (hash ^ 0xE7037ED1A0B428DBu);
    hash = static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  };
  size_t at = 0;
  for (; word.size() - at > 8; at += 8) fold(read_bytes(word.data() + at, 8));
  if (word.size() >= 8) {  // the last eight, overlapping what is done: no tail of odd length
    fold(read_bytes(word.data() + word.size() - 8, 8));
  } else {
    fold(read_bytes(word.data(), word.size()));
  }
  return hash;
}

size_t slots_for(size_t count) { return std::bit_ceil(std::max<size_t>(count * 2, 16)); }

}  // namespace

Bpe::Bpe(std::vector<TokenId> byte_tokens, const std::vector<Merge>& merges)
    : byte_tokens_(std::move(byte_tokens)),
      byte_ranks_(1 << 16, kNoRank),
      pairs_(slots_for(merges.size()), PairSlot{0, kNoRank}),
      pairs_shift_(64 - static_cast<unsigned>(std::countr_zero(pairs_.size()))) {
  CHECK(byte_tokens_.size() == 256, "{} byte tokens", byte_tokens_.size());
  CHECK(merges.size() < kNoRank, "{} merges", merges.size());
  merged_.reserve(merges.size());
  for (const Merge& merge : merges) {
    const uint64_t key = pair_key(merge.left, merge.right);
    size_t slot = pair_hash(key) >> pairs_shift_;
    while (pairs_[slot].rank != kNoRank && pairs_[slot].pair != key) {
      slot = (slot + 1) & (pairs_.size() - 1);
    }
    pairs_[slot] = {key, static_cast<uint32_t>(merged_.size())};
    merged_.push_back(merge.merged);
  }
  for (size_t pair = 0; pair < byte_ranks_.size(); ++pair) {
    byte_ranks_[pair] = rank_of(byte_tokens_[pair >> 8], byte_tokens_[pair & 0xFF]);
  }
}

void Bpe::index_words(const char* arena, const std::vector<uint32_t>& offsets) {
  CHECK(!offsets.empty() && words_.empty());
  arena_ = arena;
  offsets_ = offsets.data();
  words_.assign(slots_for(offsets.size()), WordSlot{0, -1});
  std::vector<TokenId> parts;
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    const std::string_view bytes(arena + offsets[i], offsets[i + 1] - offsets[i]);
    if (bytes.size() < 2) continue;
    parts.clear();
    encode_by_merging(bytes, parts);
    if (parts.size() != 1 || parts[0] != static_cast<TokenId>(i)) continue;
    insert_word(static_cast<TokenId>(i), bytes);
    word_bytes_max_ = std::max(word_bytes_max_, bytes.size());
  }
}

void Bpe::insert_word(TokenId id, std::string_view bytes) {
  const uint64_t hash = word_hash(bytes);
  size_t slot = hash & (words_.size() - 1);
  while (words_[slot].id >= 0) slot = (slot + 1) & (words_.size() - 1);
  words_[slot] = {static_cast<uint32_t>(hash >> 32), id};
}

TokenId Bpe::find_word(std::string_view word) const {
  if (word.size() > word_bytes_max_) return -1;
  const uint64_t hash = word_hash(word);
  for (size_t slot = hash & (words_.size() - 1); words_[slot].id >= 0;
       slot = (slot + 1) & (words_.size() - 1)) {
    if (words_[slot].fingerprint != static_cast<uint32_t>(hash >> 32)) continue;
    const auto id = static_cast<size_t>(words_[slot].id);
    const std::string_view bytes(arena_ + offsets_[id], offsets_[id + 1] - offsets_[id]);
    if (bytes == word) return words_[slot].id;
  }
  return -1;
}

uint32_t Bpe::rank_of(TokenId left, TokenId right) const {
  const uint64_t key = pair_key(left, right);
  size_t slot = pair_hash(key) >> pairs_shift_;
  while (pairs_[slot].rank != kNoRank) {
    if (pairs_[slot].pair == key) return pairs_[slot].rank;
    slot = (slot + 1) & (pairs_.size() - 1);
  }
  return kNoRank;
}

void Bpe::encode(std::string_view word, std::vector<TokenId>& out) const {
  if (word.size() == 1) return out.push_back(byte_tokens_[static_cast<uint8_t>(word[0])]);
  const TokenId whole = find_word(word);
  if (whole >= 0) return out.push_back(whole);
  encode_by_merging(word, out);
}

void Bpe::encode_by_merging(std::string_view word, std::vector<TokenId>& out) const {
  if (word.empty()) return;
  if (word.size() <= kShortWordBytes) return encode_short(word, out);
  encode_long(word, out);
}

void Bpe::encode_short(std::string_view word, std::vector<TokenId>& out) const {
  TokenId ids[kShortWordBytes];
  uint32_t ranks[kShortWordBytes];  // ranks[i] of the pair (ids[i], ids[i + 1])
  size_t count = word.size();
  for (size_t i = 0; i < count; ++i) ids[i] = byte_tokens_[static_cast<uint8_t>(word[i])];
  for (size_t i = 0; i + 1 < count; ++i) {
    ranks[i] = byte_ranks_[static_cast<size_t>(static_cast<uint8_t>(word[i])) << 8 |
                           static_cast<uint8_t>(word[i + 1])];
  }
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i) {
      if (ranks[i] < ranks[best]) best = i;
    }
    if (ranks[best] == kNoRank) break;
    ids[best] = merged_[ranks[best]];
    --count;
    for (size_t i = best + 1; i < count; ++i) {
      ids[i] = ids[i + 1];
      ranks[i - 1] = ranks[i];
    }
    if (best > 0) ranks[best - 1] = rank_of(ids[best - 1], ids[best]);
    if (best + 1 < count) ranks[best] = rank_of(ids[best], ids[best + 1]);
  }
  out.insert(out.end(), ids, ids + count);
}

// Symbols are a doubly linked list over the bytes; the heap holds (rank, position of the left
// symbol). An entry is stale when the pair at its position has another rank by now.
void Bpe::encode_long(std::string_view word, std::vector<TokenId>& out) const {
  CHECK(word.size() < kNoRank, "a word of {} bytes", word.size());
  const auto size = static_cast<uint32_t>(word.size());
  struct Symbol {
    TokenId id;     // < 0: merged into the one before it
    uint32_t next;  // position of the next symbol, `size` at the end
    uint32_t prev;  // size at the start
  };
  std::vector<Symbol> symbols(size);
  for (uint32_t i = 0; i < size; ++i) {
    symbols[i] = {byte_tokens_[static_cast<uint8_t>(word[i])], i + 1, i == 0 ? size : i - 1};
  }
  const auto rank_at = [&](uint32_t at) {
    const uint32_t next = symbols[at].next;
    return next == size ? kNoRank : rank_of(symbols[at].id, symbols[next].id);
  };
  std::vector<uint64_t> heap;  // rank << 32 | position, the smallest on top
  for (uint32_t i = 0; i < size; ++i) {
    const uint32_t rank = rank_at(i);
    if (rank != kNoRank) heap.push_back(static_cast<uint64_t>(rank) << 32 | i);
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  const auto push = [&](uint32_t at) {
    const uint32_t rank = rank_at(at);
    if (rank == kNoRank) return;
    heap.push_back(static_cast<uint64_t>(rank) << 32 | at);
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const auto rank = static_cast<uint32_t>(heap.back() >> 32);
    const auto at = static_cast<uint32_t>(heap.back());
    heap.pop_back();
    if (symbols[at].id < 0 || rank_at(at) != rank) continue;
    Symbol& left = symbols[at];
    Symbol& right = symbols[left.next];
    left.id = merged_[rank];
    right.id = -1;
    left.next = right.next;
    if (left.next != size) symbols[left.next].prev = at;
    if (left.prev != size) push(left.prev);
    push(at);
  }
  for (uint32_t i = 0; i < size; i = symbols[i].next) out.push_back(symbols[i].id);
}

}  // namespace weft::text
