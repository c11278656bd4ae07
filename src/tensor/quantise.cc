// SPDX-License-Identifier: Apache-2.0
#include "tensor/quantise.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "tensor/half.h"

namespace weft::tensor {
namespace {

constexpr int kLevels = 15;
constexpr float kHalfMax = 65504.0f;

struct Line {
  float scale;
  float offset;
};

// The pair as it will be stored.
Line stored(Line line) {
  const auto half = [](float x) {
    return float_of_f16(f16_of_float(std::clamp(x, -kHalfMax, kHalfMax)));
  };
  return {half(line.scale), half(line.offset)};
}

void encode(std::span<const float> values, Line line, uint8_t* codes) {
  const float inverse = line.scale > 0 ? 1.0f / line.scale : 0.0f;
  for (size_t i = 0; i < values.size(); ++i) {
    const float level = (values[i] - line.offset) * inverse + 0.5f;
    codes[i] = level > 0 ? static_cast<uint8_t>(std::min(level, kLevels + 0.5f)) : uint8_t{0};
  }
}

float squared_error(std::span<const float> values, Line line, const uint8_t* codes) {
  float sum = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const float off = static_cast<float>(codes[i]) * line.scale + line.offset - values[i];
    sum += off * off;
  }
  return sum;
}

// The line through (code, value) with the least squared error.
Line fit(std::span<const float> values, const uint8_t* codes, Line before) {
  const auto n = static_cast<float>(values.size());
  float c = 0;
  float cc = 0;
  float v = 0;
  float cv = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto code = static_cast<float>(codes[i]);
    c += code;
    cc += code * code;
    v += values[i];
    cv += code * values[i];
  }
  const float spread = n * cc - c * c;
  if (!(spread > 0)) return before;  // one level only
  const float scale = (n * cv - c * v) / spread;
  return {scale, (v - scale * c) / n};
}

}  // namespace

Q4Group quantise_q4(std::span<const float> values, uint8_t* codes) {
  CHECK(!values.empty() && values.size() <= 32);
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const float middle = *low / 2 + *high / 2;
  const float reach = *high / 2 - *low / 2;
  Line best{};
  float best_error = INFINITY;
  uint8_t trial[32];
  // The ends of the range are cut by up to a fifth: a few outliers should not widen every step.
  for (int cut = 0; cut < 8; ++cut) {
    const float half = reach * (1.0f - 0.03f * static_cast<float>(cut));
    Line line{2 * half / kLevels, middle - half};
    for (int round = 0; round < 3; ++round) {
      const Line kept = stored(line);
      encode(values, kept, trial);
      const float error = squared_error(values, kept, trial);
      if (error < best_error) {
        best_error = error;
        best = kept;
        std::copy_n(trial, values.size(), codes);
      }
      line = fit(values, trial, line);
    }
  }
  if (best_error == INFINITY) {  // values so large that their squares overflow: the plain range
    best = stored({2 * reach / kLevels, *low});
    encode(values, best, codes);
  }
  return {f16_of_float(best.scale), f16_of_float(best.offset)};
}

}  // namespace weft::tensor
