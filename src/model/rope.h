// SPDX-License-Identifier: Apache-2.0
//
// Rotary position embedding: the frequencies of each published scaling, and tables of cosine and
// sine. Pairs are (i, i + d/2); the angle of pair i at position t is t * f_i; cosine and sine are
// multiplied by the attention factor A (YaRN; 1 elsewhere), so that scores grow by A^2.
//
//   default  f_i = theta^(-2i/d)         linear  f_i / factor
//   llama3   long waves f_i / factor, short ones unchanged, a linear blend between
//   yarn     a ramp over the pair index between f_i / factor and f_i
//   factors  f_i / factors[i]: what GGUF files make of llama3
//
// Everything is formed in double and rounded once, at load: at position 100,000 a float angle is
// off by 0.01 rad. The functions are base/math's, because the table reaches every token and
// libm's bits depend on processor and version.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace weft::model {

struct RopeSpec {
  enum class Kind { kDefault, kLinear, kLlama3, kYarn, kFactors } kind = Kind::kDefault;
  double theta = 10000;
  double factor = 1;
  double low_freq_factor = 1;    // llama3
  double high_freq_factor = 4;   // llama3
  double original_context = 0;   // llama3 and yarn
  double beta_fast = 32;         // yarn, as the next three
  double beta_slow = 1;
  bool truncate = true;
  std::optional<double> attention_factor;
  std::vector<double> factors;  // kFactors: one a pair, > 0
};

struct RopeFrequencies {
  std::vector<double> inv_freq;  // (head_dim / 2), radians a position
  double attention_factor = 1;
};
// head_dim even and >= 2; factors, where they are meant, head_dim / 2.
RopeFrequencies rope_frequencies(const RopeSpec& spec, int head_dim);

// Rows of cosines and sines for positions from 0, made when first needed. One thread at a time
// may call reserve(); cos() and sin() of reserved rows are then safe from every thread.
class RopeTable {
 public:
  RopeTable(const RopeSpec& spec, int head_dim);

  // Rows 0 .. positions - 1 exist afterwards; pointers into the table are invalidated.
  void reserve(int positions);
  int positions() const { return positions_; }
  size_t pairs() const { return frequencies_.inv_freq.size(); }  // head_dim / 2
  const float* cos() const { return cos_.data(); }  // (positions, head_dim / 2)
  const float* sin() const { return sin_.data(); }  // (positions, head_dim / 2)

 private:
  RopeFrequencies frequencies_;
  int positions_ = 0;
  std::vector<float> cos_;
  std::vector<float> sin_;
};

}  // namespace weft::model
