// SPDX-License-Identifier: Apache-2.0
#include "family/mamba.h"

#include "base/math.h"

namespace weft::family {

using tensor::ConstRows;
using tensor::Rows;

namespace {

tensor::MambaShape shape_of(const model::MambaConfig& config) {
  return {config.heads, config.head_dim, config.state, config.groups};
}

}  // namespace

int64_t Mamba::state_floats(const model::MambaConfig& config) {
  return (config.conv - 1) * int64_t{config.conv_channels()} + shape_of(config).state_floats();
}

void Mamba::mix(tensor::Ops& ops, Rows out, ConstRows a, const Batch& batch, int64_t offset,
                float eps, MambaScratch& scratch) const {
  const int64_t inner = shape_.inner();
  const int64_t channels = shape_.channels();
  const tensor::Convolution conv{taps_, conv_, conv_bias_};
  const Rows projected = scratch.projected.rows(a.rows, inner + channels + shape_.heads);
  const Rows gate = projected.slice(0, inner);
  const Rows u = projected.slice(inner, channels);
  const Rows dt = projected.slice(inner + channels, shape_.heads);
  const Rows xbc = scratch.convolved.rows(a.rows, channels);
  const Rows steps = scratch.steps.rows(a.rows, 2 * int64_t{shape_.heads});
  const Rows step = steps.slice(0, shape_.heads);
  const Rows decay = steps.slice(shape_.heads, shape_.heads);
  const Rows y = scratch.mixed.rows(a.rows, inner);

  ops.matmul(projected, a, in_proj_, in_bias_);
  ops.conv_silu(xbc, u, conv, batch.sequences, {batch.states, offset});
  ops.mamba_steps(step, decay, dt, {dt_bias_, a_, {step_limits_[0], step_limits_[1]}});
  ops.mamba_scan(y, xbc, step, decay, skip_, shape_, batch.sequences,
                 {batch.states, offset + conv.state_floats()});
  ops.silu_mul(y, gate, y);
  ops.rms_norm(y, y, norm_, eps);
  ops.matmul(out, y, out_proj_, out_bias_);
}

Result<Mamba> Mamba::bind(const model::Config& config, model::WeightBinder& weights,
                          const std::string& prefix) {
  const model::MambaConfig& mamba = config.mamba;
  const int64_t h = config.hidden_size;
  Mamba out;
  out.shape_ = shape_of(mamba);
  out.taps_ = mamba.conv;
  out.step_limits_[0] = static_cast<float>(mamba.step_min);
  out.step_limits_[1] = static_cast<float>(mamba.step_max);
  const int64_t inner = out.shape_.inner();
  const int64_t channels = out.shape_.channels();
  const int64_t projected = inner + channels + mamba.heads;
  out.in_proj_ = TRY(weights.matrix(prefix + "in_proj.weight", projected, h));
  out.out_proj_ = TRY(weights.matrix(prefix + "out_proj.weight", h, inner));
  if (mamba.proj_bias) {
    out.in_bias_ = TRY(weights.vector(prefix + "in_proj.bias", projected));
    out.out_bias_ = TRY(weights.vector(prefix + "out_proj.bias", h));
  }
  // (CD, 1, K) becomes (K, CD): a vector load is then one tap of 16 channels.
  const auto conv = TRY(weights.tensor(prefix + "conv1d.weight", {channels, 1, mamba.conv}));
  out.conv_.resize(conv.size());
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t k = 0; k < mamba.conv; ++k) {
      out.conv_[static_cast<size_t>(k * channels + c)] =
          conv[static_cast<size_t>(c * mamba.conv + k)];
    }
  }
  if (mamba.conv_bias) out.conv_bias_ = TRY(weights.vector(prefix + "conv1d.bias", channels));
  out.dt_bias_ = TRY(weights.vector(prefix + "dt_bias", mamba.heads));
  out.a_ = TRY(weights.vector(prefix + "A_log", mamba.heads));
  for (float& a : out.a_) a = static_cast<float>(-math::exp(a));
  out.skip_ = TRY(weights.vector(prefix + "D", mamba.heads));
  out.norm_ = TRY(weights.vector(prefix + "norm.weight", inner));
  return out;
}

}  // namespace weft::family
