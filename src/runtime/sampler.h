// SPDX-License-Identifier: Apache-2.0
//
// From a row of logits to a token. Pure: the same logits, history, parameters and place give the
// same token, on every machine and in every batch. Randomness is a function of (seed, choice,
// position) by a counter generator, so a resumed or repeated generation draws the same numbers
// without any state.
//
// Order: mask -> penalties -> temperature -> top-k -> top-p -> min-p -> draw. Exponentials are the
// tensor module's, in its fixed order; sums here run in double over candidates sorted by
// probability (ties: lower id first) or, without any cut, over ids (candidates.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "grammar/guide.h"
#include "runtime/candidates.h"
#include "tensor/ops.h"
#include "text/token.h"

namespace weft::runtime {

struct Sampling {
  double temperature = 1.0;         // 0 = greedy: the largest logit, ties to the lowest id
  int top_k = 0;                    // the k most probable; 0 = all
  double top_p = 1.0;               // the fewest tokens whose probabilities reach p; (0, 1]
  double min_p = 0.0;               // at least this share of the best probability; [0, 1]
  double repetition_penalty = 1.0;  // divides positive, multiplies negative logits of seen tokens
  double presence_penalty = 0.0;    // subtracted for every token generated before
  double frequency_penalty = 0.0;   // subtracted for every time it was generated
  uint64_t seed = 0;
  uint32_t choice = 0;              // which of several answers to one request

  bool has_penalties() const {
    return repetition_penalty != 1.0 || presence_penalty != 0.0 || frequency_penalty != 0.0;
  }
};
// E0730 names the parameter and its range.
Status check_sampling(const Sampling& sampling);

// How often each token was seen, for penalties.
class TokenHistory {
 public:
  void add_prompt(std::span<const text::TokenId> tokens) {
    for (const text::TokenId id : tokens) counts_.try_emplace(id, 0);
  }
  void add_generated(text::TokenId id) { ++counts_[id]; }
  const std::map<text::TokenId, int>& counts() const { return counts_; }  // generated, by token

 private:
  std::map<text::TokenId, int> counts_;
};

struct TokenLogprob {
  text::TokenId id = 0;
  float logprob = 0;  // ln of its probability at temperature 1 among the allowed
};

struct Sampled {
  text::TokenId id = 0;
  float logprob = 0;  // as above, if asked for
  std::vector<TokenLogprob> top = {};  // the most probable, best first, as many as asked for
  bool resumed = false;                // taken from Request::resumed, not chosen now
  bool hurried = false;                // behind a hurry: a clock has had a say
};

struct SampleInput {
  std::span<float> logits;                     // (V); overwritten
  const grammar::TokenMask* mask = nullptr;    // null: every token is allowed
  const TokenHistory* history = nullptr;       // needed with penalties
  int64_t position = 0;                        // absolute position of the token to choose
  bool logprob = false;
  int top_logprobs = 0;                        // with logprob
};

// Holds scratch memory; one thread at a time.
class Sampler {
 public:
  // Nothing if no allowed logit is a finite number: the weights or the guide are broken.
  std::optional<Sampled> sample(tensor::Ops& ops, const Sampling& sampling,
                                const SampleInput& input);

 private:
  std::optional<text::TokenId> draw(tensor::Ops& ops, const Sampling& sampling,
                                    const SampleInput& input);
  std::span<const Candidate> most_probable(const Sampling& sampling);
  std::vector<float> probabilities_;
  Candidates candidates_;
  WholeRow whole_;
};

// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
struct PhiloxCounter {
  uint32_t words[4];
};
PhiloxCounter philox(PhiloxCounter counter, uint64_t key);
// Uniform in [0, 1), 53 bits.
double uniform_at(uint64_t seed, uint32_t choice, int64_t position);

}  // namespace weft::runtime
