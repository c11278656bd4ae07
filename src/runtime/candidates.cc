// SPDX-License-Identifier: Apache-2.0
#include "runtime/candidates.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <functional>

#include "base/error.h"

namespace weft::runtime {
namespace {

using text::TokenId;

constexpr size_t kMaximaBlock = 32;
constexpr size_t kSumsBlock = 64;

// Eight lanes: the compiler makes vectors of them.
float largest_of(std::span<const float> block) {
  constexpr size_t kLanes = 8;
  float lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= block.size(); i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) {
      lanes[j] = block[i + j] > lanes[j] ? block[i + j] : lanes[j];
    }
  }
  for (; i < block.size(); ++i) lanes[0] = std::max(lanes[0], block[i]);
  return *std::max_element(lanes, lanes + kLanes);
}

double block_sum(std::span<const float> block, float floor) {
  constexpr size_t kLanes = 4;
  double lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= block.size(); i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) {
      const float one = block[i + j];
      lanes[j] += static_cast<double>(one >= floor ? one : 0.0f);
    }
  }
  for (; i < block.size(); ++i) lanes[0] += block[i] >= floor ? block[i] : 0.0f;
  return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

std::span<const float> block_of(std::span<const float> row, size_t block, size_t size) {
  return row.subspan(block * size, std::min(size, row.size() - block * size));
}

}  // namespace

void Candidates::read(std::span<const float> probabilities) {
  CHECK(!probabilities.empty());
  row_ = probabilities;
  all_ = false;
  maxima_.resize((row_.size() + kMaximaBlock - 1) / kMaximaBlock);
  for (size_t b = 0; b < maxima_.size(); ++b) {
    maxima_[b] = largest_of(block_of(row_, b, kMaximaBlock));
  }
}

std::span<Candidate> Candidates::leading(size_t count) {
  CHECK(!row_.empty() && count > 0, "count={}", count);
  float least = 0;
  if (count < maxima_.size()) {
    ordered_ = maxima_;
    const auto at = ordered_.begin() + static_cast<std::ptrdiff_t>(count) - 1;
    std::nth_element(ordered_.begin(), at, ordered_.end(), std::greater<>());
    least = *at;
  }
  all_ = least == 0;
  found_.clear();
  for (size_t b = 0; b < maxima_.size(); ++b) {
    if (maxima_[b] < least || maxima_[b] == 0) continue;
    const size_t begin = b * kMaximaBlock;
    const size_t end = std::min(begin + kMaximaBlock, row_.size());
    for (size_t i = begin; i < end; ++i) {
      if (row_[i] >= least && row_[i] > 0) found_.push_back({row_[i], static_cast<TokenId>(i)});
    }
  }
  sort_found();
  CHECK(all_ || found_.size() >= count, "{} of {}", found_.size(), count);
  return found_;
}

// Few by comparing. Many, where nearly all tokens are as probable, by the bits of the number, 10 at
// a time, which keeps equals in the order of their ids: a fifteenth of the time.
void Candidates::sort_found() {
  constexpr size_t kFew = 4096;
  constexpr int kBits = 10;
  if (found_.size() <= kFew) {
    std::sort(found_.begin(), found_.end(), [](const Candidate& a, const Candidate& b) {
      return a.probability != b.probability ? a.probability > b.probability : a.id < b.id;
    });
    return;
  }
  for (int shift = 0; shift < 3 * kBits; shift += kBits) {
    // Of positive floats below 2 the bits are below 2^30 and in the order of the numbers.
    const auto digit = [&](const Candidate& one) {
      const auto bits = std::bit_cast<uint32_t>(one.probability);
      return ~bits << 2 >> 2 >> shift & ((uint32_t{1} << kBits) - 1);  // the largest first
    };
    std::array<uint32_t, (size_t{1} << kBits) + 1> places{};
    for (const Candidate& one : found_) ++places[digit(one) + 1];
    for (size_t i = 1; i < places.size(); ++i) places[i] += places[i - 1];
    moved_.resize(found_.size());
    for (const Candidate& one : found_) moved_[places[digit(one)]++] = one;
    found_.swap(moved_);
  }
}

double WholeRow::sum(std::span<const float> probabilities, float floor) {
  CHECK(!probabilities.empty());
  sums_.resize((probabilities.size() + kSumsBlock - 1) / kSumsBlock);
  double total = 0;
  for (size_t b = 0; b < sums_.size(); ++b) {
    sums_[b] = block_sum(block_of(probabilities, b, kSumsBlock), floor);
    total += sums_[b];
  }
  return total;
}

TokenId WholeRow::draw(std::span<const float> probabilities, float floor, double uniform) {
  const double target = sum(probabilities, floor) * uniform;
  size_t block = 0;
  double begin = 0;  // the sum of all blocks before it
  double end = 0;
  for (size_t b = 0; b < sums_.size() && end <= target; ++b) {
    if (sums_[b] == 0) continue;
    block = b;
    begin = end;
    end += sums_[b];
  }
  TokenId last = -1;  // it is this one where the target was rounded up to what the block ends at
  for (size_t i = 0; i < block_of(probabilities, block, kSumsBlock).size(); ++i) {
    const float one = probabilities[block * kSumsBlock + i];
    if (one < floor || one == 0) continue;
    last = static_cast<TokenId>(block * kSumsBlock + i);
    begin += one;
    if (begin > target) break;
  }
  CHECK(last >= 0, "nothing to draw from");
  return last;
}

}  // namespace weft::runtime
