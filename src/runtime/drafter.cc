// SPDX-License-Identifier: Apache-2.0
#include "runtime/drafter.h"

#include <algorithm>

#include "base/error.h"

namespace weft::runtime {

using text::TokenId;

// Different triples may share a key; a wrong guess is refused by the model like any other.
uint64_t Drafter::key_of(const TokenId* last) {
  uint64_t h = 0;
  for (size_t i = 0; i < kKeyTokens; ++i) {
    h = (h ^ static_cast<uint32_t>(last[i])) * 0x9E3779B97F4A7C15ull;
    h ^= h >> 31;
  }
  return h;
}

// A triple is entered when the token behind it is known, so that looking up the last three finds an
// earlier place, never themselves.
void Drafter::add(std::span<const TokenId> tokens) {
  for (const TokenId token : tokens) {
    if (tokens_.size() >= kKeyTokens) {
      places_[key_of(tokens_.data() + tokens_.size() - kKeyTokens)] =
          static_cast<int32_t>(tokens_.size());
    }
    tokens_.push_back(token);
  }
}

std::vector<TokenId> Drafter::guess(int most) {
  if (tokens_.size() <= kKeyTokens || most <= 0) return {};
  const auto place = places_.find(key_of(tokens_.data() + tokens_.size() - kKeyTokens));
  if (place == places_.end()) return {};
  if (pause_ > 0) {
    --pause_;
    return {};
  }
  const auto begin = static_cast<size_t>(place->second);
  CHECK(begin < tokens_.size(), "place {} of {}", begin, tokens_.size());
  const size_t wanted = static_cast<size_t>(std::min(most, length_));
  std::vector<TokenId> out;
  // Beyond its own end the text goes on with the guess: so a cycle is followed all around.
  for (size_t i = begin; out.size() < wanted; ++i) {
    out.push_back(i < tokens_.size() ? tokens_[i] : out[i - tokens_.size()]);
  }
  return out;
}

void Drafter::verdict(int verified, int accepted) {
  CHECK(accepted >= 0 && accepted <= verified, "{} of {}", accepted, verified);
  if (verified == 0) return;
  if (accepted == verified) {
    length_ = std::min(kDraftMax, length_ * 2 + 1);
  } else {
    length_ = std::clamp(accepted + 1, 1, kDraftMax);
  }
  misses_ = accepted > 0 ? 0 : std::min(misses_ + 1, 6);
  pause_ = misses_ == 0 ? 0 : 1 << misses_;
}

}  // namespace weft::runtime
