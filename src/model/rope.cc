// SPDX-License-Identifier: Apache-2.0
#include "model/rope.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/math.h"

namespace weft::model {
namespace {

constexpr double kPi = 3.141592653589793;

// llama3: by wavelength l = 2 pi / f. Longer than C/lo: divided; shorter than C/hi: kept.
double scaled_llama3(double f, const RopeSpec& spec) {
  const double wavelength = 2 * kPi / f;
  const double cycles = spec.original_context / wavelength;  // C / l
  if (cycles < spec.low_freq_factor) return f / spec.factor;
  if (cycles > spec.high_freq_factor) return f;
  const double s =
      (cycles - spec.low_freq_factor) / (spec.high_freq_factor - spec.low_freq_factor);
  return (1 - s) * f / spec.factor + s * f;
}

// YaRN (Peng et al. 2023, as transformers computes it): D(r) is the dimension whose wave turns
// r times within the original context.
struct YarnRamp {
  double low = 0;
  double high = 0;
  double at(int i) const {
    return std::clamp((i - low) / (high - low), 0.0, 1.0);  // 0 = keep, 1 = divide
  }
};

YarnRamp yarn_ramp(const RopeSpec& spec, int head_dim) {
  const auto dimension_of = [&](double turns) {
    return head_dim * math::log(spec.original_context / (turns * 2 * kPi)) /
           (2 * math::log(spec.theta));
  };
  double low = dimension_of(spec.beta_fast);
  double high = dimension_of(spec.beta_slow);
  if (spec.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, head_dim - 1.0);
  if (low == high) high += 0.001;  // the ramp must have a slope
  return {low, high};
}

}  // namespace

RopeFrequencies rope_frequencies(const RopeSpec& spec, int head_dim) {
  CHECK(head_dim >= 2 && head_dim % 2 == 0, "head_dim {}", head_dim);
  CHECK(spec.theta > 1 && spec.factor > 0, "theta {} factor {}", spec.theta, spec.factor);
  RopeFrequencies out;
  YarnRamp ramp;
  if (spec.kind == RopeSpec::Kind::kYarn) {
    ramp = yarn_ramp(spec, head_dim);
    out.attention_factor = spec.attention_factor.value_or(
        spec.factor <= 1 ? 1.0 : 0.1 * math::log(spec.factor) + 1.0);
  }
  const double log_theta = math::log(spec.theta);
  for (int i = 0; i < head_dim / 2; ++i) {
    const double f = math::exp(-2.0 * i / head_dim * log_theta);
    switch (spec.kind) {
      case RopeSpec::Kind::kDefault: out.inv_freq.push_back(f); break;
      case RopeSpec::Kind::kLinear: out.inv_freq.push_back(f / spec.factor); break;
      case RopeSpec::Kind::kLlama3: out.inv_freq.push_back(scaled_llama3(f, spec)); break;
      case RopeSpec::Kind::kFactors:
        out.inv_freq.push_back(f / spec.factors.at(static_cast<size_t>(i)));
        break;
      case RopeSpec::Kind::kYarn: {
        const double m = ramp.at(i);
        out.inv_freq.push_back(f / spec.factor * m + f * (1 - m));
        break;
      }
    }
  }
  return out;
}

RopeTable::RopeTable(const RopeSpec& spec, int head_dim)
    : frequencies_(rope_frequencies(spec, head_dim)) {}

void RopeTable::reserve(int positions) {
  if (positions <= positions_) return;
  // In steps, so that a sequence that grows by a token does not copy the table each time.
  const int target = std::max(positions, positions_ + 1024);
  const size_t pairs = frequencies_.inv_freq.size();
  cos_.resize(static_cast<size_t>(target) * pairs);
  sin_.resize(static_cast<size_t>(target) * pairs);
  for (int t = positions_; t < target; ++t) {
    for (size_t i = 0; i < pairs; ++i) {
      const auto [s, c] = math::sin_cos(t * frequencies_.inv_freq[i]);
      const size_t at = static_cast<size_t>(t) * pairs + i;
      cos_[at] = static_cast<float>(c * frequencies_.attention_factor);
      sin_[at] = static_cast<float>(s * frequencies_.attention_factor);
    }
  }
  positions_ = target;
}

}  // namespace weft::model
