// SPDX-License-Identifier: Apache-2.0
//
// The Mamba2 mixer of Granite 4.0 H: what stands in the place of attention in most layers. nm
// heads of p elements, I = nm p, state n, G groups, K taps, CD = I + 2 G n channels:
//
//   [gate (I) | u (CD) | dt (nm)] = in_proj a
//   u_t = silu(sum_{j<K} conv1d[:, j] u_{t-K+1+j} + conv1d.bias)          zeros before the start
//   [x (nm p) | B (G n) | C (G n)] = u                                 head h: group h div (nm/G)
//   D_h = clamp(softplus(dt_h + dt_bias_h)),  A_h = -exp(A_log_h)
//   S_h = exp(A_h D_h) S_h + D_h x_h B^T,     y_h = S_h C + D_param_h x_h
//   out = out_proj N(y * silu(gate); norm)                                the norm over all I
//
// What it carries from token to token: the last K - 1 rows of u, and S.
#pragma once

#include <string>
#include <vector>

#include "family/decoder.h"

namespace weft::family {

// Activations of a pass, kept between passes and shared by all layers.
struct MambaScratch {
  Scratch projected, convolved, steps, mixed;
};

class Mamba {
 public:
  // `prefix` as "model.layers.0.mamba.". E0212 as model/weights.
  static Result<Mamba> bind(const model::Config& config, model::WeightBinder& weights,
                            const std::string& prefix);
  // Floats of one layer's state.
  static int64_t state_floats(const model::MambaConfig& config);

  // out = the mixer of a; the part of every sequence's state at `offset` is advanced.
  void mix(tensor::Ops& ops, tensor::Rows out, tensor::ConstRows a, const Batch& batch,
           int64_t offset, float eps, MambaScratch& scratch) const;

  bool empty() const { return in_proj_.empty(); }
  size_t bytes() const { return in_proj_.bytes() + out_proj_.bytes(); }

 private:
  tensor::MambaShape shape_;
  int32_t taps_ = 0;
  float step_limits_[2] = {0, 0};
  tensor::Matrix in_proj_;                 // (I + CD + nm, H)
  std::vector<float> in_bias_, out_bias_;  // the same rows, or empty
  std::vector<float> conv_;                // (K, CD)
  std::vector<float> conv_bias_;           // (CD), or empty
  std::vector<float> dt_bias_, a_, skip_;  // (nm)
  std::vector<float> norm_;                // (I)
  tensor::Matrix out_proj_;                // (H, I)
};

}  // namespace weft::family
