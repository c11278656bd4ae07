// SPDX-License-Identifier: Apache-2.0
#include "runtime/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace weft::runtime {
namespace {

using text::TokenId;

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
// Of a language model's 150,000 tokens some dozens usually make up 95 % of what may come next.
constexpr size_t kNucleusFirst = 64;

Status in_range(std::string_view name, double value, double low, double high) {
  if (value >= low && value <= high) return ok_status();
  return make_error("E0730", fmt::format("{}: expected {} to {}, found {}", name, low, high,
                                         value));
}

// -inf, not a very small number: exp(-inf) is exactly 0, so that no temperature and no penalty can
// bring a forbidden token back.
void apply_mask(const SampleInput& input) {
  if (input.mask == nullptr) return;
  CHECK(input.mask->size() == input.logits.size(), "mask of {} for {} logits",
        input.mask->size(), input.logits.size());
  // 64 tokens at a time: most words of a mask are all allowed or all forbidden.
  for (size_t begin = 0; begin < input.logits.size(); begin += 64) {
    const uint64_t word = input.mask->word(begin / 64);
    if (word == ~uint64_t{0}) continue;
    const size_t count = std::min<size_t>(64, input.logits.size() - begin);
    for (size_t i = 0; i < count; ++i) {
      if ((word >> i & 1) == 0) input.logits[begin + i] = kMinusInfinity;
    }
  }
}

// Over the tokens seen so far, each with its count c among the generated ones:
//   repetition (Keskar et al., "CTRL", 2019):  z <- z / r where z > 0, else z r; of the prompt too
//   presence, frequency (OpenAI's API):        z <- z - (presence + frequency c) where c > 0
void apply_penalties(const Sampling& sampling, const SampleInput& input) {
  if (!sampling.has_penalties()) return;
  CHECK(input.history != nullptr, "penalties without history");
  const auto repetition = static_cast<float>(sampling.repetition_penalty);
  for (const auto& [id, count] : input.history->counts()) {
    float& logit = input.logits[static_cast<size_t>(id)];
    logit = logit > 0 ? logit / repetition : logit * repetition;
    if (count == 0) continue;
    logit -= static_cast<float>(sampling.presence_penalty + sampling.frequency_penalty * count);
  }
}

double sum_of(std::span<const Candidate> candidates) {
  double sum = 0;
  for (const Candidate& one : candidates) sum += one.probability;
  return sum;
}

// How many leading candidates are the fewest whose sum reaches p of `total`: nucleus sampling
// (Holtzman et al., 2019); 0 if these do not. In double, because thousands of small floats would
// add up to less than they are.
size_t nucleus(std::span<const Candidate> sorted, double p, double total) {
  double sum = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    sum += sorted[i].probability;
    if (sum >= p * total) return i + 1;
  }
  return 0;
}

// The `count` largest of the allowed logits, ties to the lower id.
std::vector<TokenLogprob> top_tokens(std::span<const float> logits, int count) {
  std::vector<TokenLogprob> out;
  if (count <= 0) return out;
  const auto before = [](const TokenLogprob& a, const TokenLogprob& b) {
    return a.logprob != b.logprob ? a.logprob > b.logprob : a.id < b.id;
  };
  for (size_t id = 0; id < logits.size(); ++id) {
    const TokenLogprob token{static_cast<TokenId>(id), logits[id]};
    if (!std::isfinite(token.logprob)) continue;
    if (std::ssize(out) == count && !before(token, out.back())) continue;
    if (std::ssize(out) == count) out.pop_back();
    out.insert(std::upper_bound(out.begin(), out.end(), token, before), token);
  }
  return out;
}

}  // namespace

// Ten rounds of two 32 x 32 -> 64 bit products whose halves change places; the key grows by the
// golden ratio and sqrt(3) - 1, in 32 bits. Counter-based, because a draw has to follow from (seed,
// choice, position) alone: with a generator that has a state, the text would depend on how often
// it had been asked before, and with that on batches, retries and crashes.
PhiloxCounter philox(PhiloxCounter counter, uint64_t key) {
  auto k0 = static_cast<uint32_t>(key);
  auto k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * counter.words[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * counter.words[2];
    counter = {{static_cast<uint32_t>(b >> 32) ^ counter.words[1] ^ k0, static_cast<uint32_t>(b),
                static_cast<uint32_t>(a >> 32) ^ counter.words[3] ^ k1, static_cast<uint32_t>(a)}};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return counter;
}

double uniform_at(uint64_t seed, uint32_t choice, int64_t position) {
  const auto at = static_cast<uint64_t>(position);
  const PhiloxCounter out = philox(
      {{static_cast<uint32_t>(at), static_cast<uint32_t>(at >> 32), choice, 0}}, seed);
  // The upper 53 bits are the mantissa: every value k / 2^53 is equally likely, 1 never comes.
  const uint64_t bits = uint64_t{out.words[0]} << 32 | out.words[1];
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

Status check_sampling(const Sampling& s) {
  TRY(in_range("temperature", s.temperature, 0, 100));
  TRY(in_range("top_k", s.top_k, 0, 1 << 30));
  TRY(in_range("top_p", s.top_p, 1e-9, 1));
  TRY(in_range("min_p", s.min_p, 0, 1));
  TRY(in_range("repetition_penalty", s.repetition_penalty, 1e-3, 1e3));
  TRY(in_range("presence_penalty", s.presence_penalty, -100, 100));
  return in_range("frequency_penalty", s.frequency_penalty, -100, 100);
}

std::optional<Sampled> Sampler::sample(tensor::Ops& ops, const Sampling& sampling,
                                       const SampleInput& input) {
  CHECK(!input.logits.empty());
  apply_mask(input);
  probabilities_.resize(input.logits.size());
  // The reported probability is the model's own: after the mask, before penalties.
  std::vector<float> unpenalised;
  float log_sum = 0;
  if (input.logprob) {
    unpenalised.assign(input.logits.begin(), input.logits.end());
    log_sum = ops.softmax(probabilities_, unpenalised);
  }
  apply_penalties(sampling, input);
  const std::optional<TokenId> id = draw(ops, sampling, input);
  if (!id) return std::nullopt;
  Sampled out{*id, 0};
  if (!input.logprob) return out;
  out.logprob = unpenalised[static_cast<size_t>(*id)] - log_sum;
  out.top = top_tokens(unpenalised, input.top_logprobs);
  for (TokenLogprob& token : out.top) token.logprob -= log_sum;
  return out;
}

std::optional<TokenId> Sampler::draw(tensor::Ops& ops, const Sampling& sampling,
                                     const SampleInput& input) {
  const auto best = static_cast<TokenId>(ops.argmax(input.logits));
  if (!std::isfinite(input.logits[static_cast<size_t>(best)])) return std::nullopt;
  if (sampling.temperature < 1e-5) return best;
  const float log_sum = ops.softmax(probabilities_, input.logits,
                                    static_cast<float>(1.0 / sampling.temperature));
  if (!std::isfinite(log_sum)) return std::nullopt;  // a NaN among the logits
  CHECK(probabilities_[static_cast<size_t>(best)] > 0, "token {} is the best", best);
  const float floor =
      static_cast<float>(sampling.min_p) * probabilities_[static_cast<size_t>(best)];
  const double uniform = uniform_at(sampling.seed, sampling.choice, input.position);
  if (sampling.top_k == 0 && sampling.top_p == 1) {
    return whole_.draw(probabilities_, floor, uniform);
  }
  std::span<const Candidate> kept = most_probable(sampling);
  while (kept.back().probability < floor) kept = kept.first(kept.size() - 1);
  const double target = uniform * sum_of(kept);
  double sum = 0;
  for (const Candidate& one : kept) {
    sum += one.probability;
    if (sum > target) return one.id;
  }
  return kept.back().id;  // the target was rounded up to the total
}

// What top_k leaves, and of that the nucleus, as in the families' own generation code.
std::span<const Candidate> Sampler::most_probable(const Sampling& sampling) {
  candidates_.read(probabilities_);
  if (sampling.top_k > 0) {
    const auto k = static_cast<size_t>(sampling.top_k);
    const std::span<const Candidate> leading = candidates_.leading(k);
    const auto best = leading.first(std::min(k, leading.size()));
    const size_t count = sampling.top_p < 1 ? nucleus(best, sampling.top_p, sum_of(best)) : 0;
    return count > 0 ? best.first(count) : best;
  }
  // How many make up the nucleus nobody knows before: mostly few, and all of them at worst.
  const double total = whole_.sum(probabilities_, 0);
  for (size_t wanted = kNucleusFirst;; wanted *= 8) {
    const std::span<const Candidate> best = candidates_.leading(wanted);
    const size_t count = nucleus(best, sampling.top_p, total);
    if (count > 0) return best.first(count);
    if (candidates_.all()) return best;
  }
}

}  // namespace weft::runtime
