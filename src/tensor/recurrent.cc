// SPDX-License-Identifier: Apache-2.0
#include "tensor/recurrent.h"

#include <algorithm>
#include <cstring>

#include "tensor/kernels/table.h"
#include "tensor/ops.h"

namespace weft::tensor {
namespace {

void check_states(std::span<const SequenceRows> sequences, const StateView& states, int64_t rows) {
  CHECK(states.base.size() == sequences.size(), "{} states for {} sequences", states.base.size(),
        sequences.size());
  for (const SequenceRows& s : sequences) {
    CHECK(s.first_row >= 0 && s.rows >= 0 && s.first_row + s.rows <= rows,
          "rows {}+{} of a batch of {}", s.first_row, s.rows, rows);
  }
}

}  // namespace

void Ops::conv_silu(Rows y, ConstRows u, const Convolution& conv,
                    std::span<const SequenceRows> sequences, const StateView& states) {
  const int64_t n = conv.channels();
  CHECK(conv.taps >= 1 && conv.taps <= kTapsMax && n * conv.taps == std::ssize(conv.weight));
  CHECK(y.rows == u.rows && y.columns == n && u.columns == n && y.data != u.data);
  CHECK(conv.bias.empty() || std::ssize(conv.bias) == n);
  check_states(sequences, states, u.rows);
  const int64_t before = conv.taps - 1;
  zeros_.resize(static_cast<size_t>(n));
  for (size_t i = 0; i < sequences.size(); ++i) {
    const SequenceRows& s = sequences[i];
    float* state = states.of(i);
    // Input of position t, counted from the first row here; negative: what the state remembers.
    const auto input = [&](int64_t t) -> const float* {
      if (t >= 0) return u.row(s.first_row + t);
      return s.first_position + t >= 0 ? state + (before + t) * n : zeros_.data();
    };
    for_rows(s.rows, n * conv.taps, [&](int64_t begin, int64_t end) {
      ConvJob job{};
      job.weights = conv.weight.data();
      job.bias = conv.bias.empty() ? nullptr : conv.bias.data();
      job.n = n;
      job.taps = conv.taps;
      for (int64_t t = begin; t < end; ++t) {
        for (int64_t j = 0; j < conv.taps; ++j) job.rows[j] = input(t - before + j);
        job.y = y.row(s.first_row + t);
        table_.conv_silu(&job);
      }
    });
    // Ascending: a row that comes from the state itself comes from further behind.
    for (int64_t j = 0; j < before; ++j) {
      std::memmove(state + j * n, input(s.rows - before + j),
                   static_cast<size_t>(n) * sizeof(float));
    }
  }
}

void Ops::mamba_steps(Rows step, Rows decay, ConstRows dt, const MambaSteps& steps) {
  CHECK(step.rows == dt.rows && decay.rows == dt.rows);
  CHECK(step.columns == dt.columns && decay.columns == dt.columns);
  CHECK(std::ssize(steps.bias) == dt.columns && std::ssize(steps.a) == dt.columns);
  for_rows(dt.rows, dt.columns, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      table_.mamba_steps(step.row(i), decay.row(i), dt.row(i), steps.bias.data(), steps.a.data(),
                         steps.limits, dt.columns);
    }
  });
}

void Ops::mamba_scan(Rows y, ConstRows xbc, ConstRows step, ConstRows decay,
                     std::span<const float> skip, const MambaShape& shape,
                     std::span<const SequenceRows> sequences, const StateView& states) {
  CHECK(shape.heads > 0 && shape.groups > 0 && shape.heads % shape.groups == 0);
  CHECK(xbc.columns == shape.channels() && y.columns == shape.inner() && y.rows == xbc.rows);
  CHECK(step.rows == xbc.rows && decay.rows == xbc.rows && step.columns == shape.heads &&
        decay.columns == shape.heads && step.stride == decay.stride);
  CHECK(std::ssize(skip) == shape.heads && y.data != xbc.data);
  check_states(sequences, states, xbc.rows);
  const int64_t p = shape.head_dim;
  const int64_t n = shape.state_dim;
  const auto scan = [&](int64_t part, int) {
    const auto i = static_cast<size_t>(part / shape.heads);
    const int64_t head = part % shape.heads;
    const int64_t group = head / (shape.heads / shape.groups);
    const SequenceRows& s = sequences[i];
    const float* row = xbc.row(s.first_row);
    float* state = states.of(i) + head * n * p;
    if (s.first_position == 0) std::fill_n(state, n * p, 0.0f);
    const MambaJob job{state, p, n, row + head * p, row + shape.inner() + group * n,
                       row + shape.inner() + (shape.groups + group) * n, xbc.stride,
                       step.row(s.first_row) + head, decay.row(s.first_row) + head, step.stride,
                       skip[static_cast<size_t>(head)], y.row(s.first_row) + head * p, y.stride,
                       s.rows};
    table_.mamba_head(&job);
  };
  const FlushDenormals flush;
  pool_.parallel_for(std::ssize(sequences) * shape.heads, scan);
}

}  // namespace weft::tensor
