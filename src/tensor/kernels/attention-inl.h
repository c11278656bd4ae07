// SPDX-License-Identifier: Apache-2.0
//
// Attention of a few (token, query head) pairs that share a KV head. Positions are reduced in
// spans of 256 absolute positions, whatever the batch or the chunk: within a span the maximum,
// the sum of exponentials (16 lanes, lane = position mod 16) and the weighted values (fma over
// ascending positions); spans are merged in ascending order. A pair only ever reads positions it
// may see, so neither its neighbours nor unwritten cache can touch its bits.
//
// Scores run over keys stored (head_dim, 32): a lane is a position, and a dot product is one fma
// chain over ascending head_dim without a horizontal sum. Values are stored (32, v_dim), a lane is
// an output element. Over the primitives of the including file.
#pragma once

namespace weft::tensor {
namespace {

// One span of one pair: positions [begin, end), `peak` = largest score, `sum` of exponentials.
struct SpanState {
  int64_t begin;
  int64_t end;
  float peak;
  float sum;
};

struct AttentionScratch {
  float* q;        // (pairs, head_dim)
  float* scores;   // (pairs, kSpan), then exponentials
  float* part;     // (pairs, v_dim): this span's weighted values
  float* total;    // (pairs, v_dim): merged so far
};

// s = scale * (q . k) for R pairs and the 32 positions of a block.
template <int R>
inline void score_block(const AttentionJob* job, const float* q, const float* keys, float* scores) {
  Floats acc[R][2];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) acc[r][0] = acc[r][1] = splat(0.0f);
  for (int64_t d = 0; d < job->head_dim; ++d) {
    const Floats k0 = load(keys + d * kBlockPositions);
    const Floats k1 = load(keys + d * kBlockPositions + 16);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const Floats query = splat(q[r * job->head_dim + d]);
      acc[r][0] = fma(query, k0, acc[r][0]);
      acc[r][1] = fma(query, k1, acc[r][1]);
    }
  }
  const Floats scale = splat(job->scale);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    store(scores + r * kSpan, mul(acc[r][0], scale));
    store(scores + r * kSpan + 16, mul(acc[r][1], scale));
  }
}

// The largest tile of at most R pairs that fits the pairs left; returns its size.
template <int R>
inline int score_pairs(const AttentionJob* job, const float* q, const float* keys, float* scores,
                       int left) {
  if constexpr (R > 1) {
    if (left < R) return score_pairs<R / 2>(job, q, keys, scores, left);
  }
  score_block<R>(job, q, keys, scores);
  return R;
}

inline const float* block_of(const AttentionJob* job, int64_t position) {
  return job->cache + job->blocks[position / kBlockPositions] * job->block_stride;
}

inline void score_span(const AttentionJob* job, const AttentionScratch& scratch, int64_t span,
                       int64_t begin, int64_t end) {
  for (int64_t at = begin - begin % kBlockPositions; at < end; at += kBlockPositions) {
    const float* keys = block_of(job, at) + job->k_offset;
    float* scores = scratch.scores + (at - span);
    for (int r = 0; r < job->pairs;) {
      r += score_pairs<kScorePairs>(job, scratch.q + r * job->head_dim, keys, scores + r * kSpan,
                                    job->pairs - r);
    }
  }
}

// Scores become exponentials; whatever lies outside [begin, end) of the pair becomes zero.
inline void softmax_span(SpanState* state, float* scores, int64_t span) {
  const int64_t first = (state->begin - span) & ~int64_t{15};
  const int64_t last = (state->end - span + 15) & ~int64_t{15};
  for (int64_t i = first; i < state->begin - span; ++i) scores[i] = -kInfinity;
  for (int64_t i = state->end - span; i < last; ++i) scores[i] = -kInfinity;
  Floats best = splat(-kInfinity);
  for (int64_t i = first; i < last; i += 16) best = max(load(scores + i), best);
  state->peak = reduce_max(best);
  const Floats peak = splat(state->peak);
  Floats sum = splat(0.0f);
  for (int64_t i = first; i < last; i += 16) {
    const Floats e = exp16(sub(load(scores + i), peak));
    store(scores + i, e);
    sum = add(sum, e);
  }
  state->sum = reduce_add(sum);
}

// part[r] += p[r, j] v[j] for R pairs, C vectors of outputs, ascending positions [begin, end) of
// one block. `v` is the row of position `begin`.
template <int R, int C>
inline void add_values(const AttentionJob* job, int64_t begin, int64_t end, const float* p,
                       const float* v, float* part) {
  Floats acc[R][C];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int c = 0; c < C; ++c) acc[r][c] = load(part + r * job->v_dim + c * 16);
  }
  for (int64_t at = begin; at < end; ++at, v += job->v_dim) {
#pragma GCC unroll 16
    for (int c = 0; c < C; ++c) {
      const Floats value = load(v + c * 16);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        acc[r][c] = fma(splat(p[r * kSpan + at % kSpan]), value, acc[r][c]);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int c = 0; c < C; ++c) store(part + r * job->v_dim + c * 16, acc[r][c]);
  }
}

template <int R>
inline void add_values_columns(const AttentionJob* job, int64_t begin, int64_t end, const float* p,
                               const float* block, float* part) {
  if (begin >= end) return;
  const float* v = block + begin % kBlockPositions * job->v_dim;
  int64_t column = 0;
  for (; column + 16 * kValueVectors <= job->v_dim; column += 16 * kValueVectors) {
    add_values<R, kValueVectors>(job, begin, end, p, v + column, part + column);
  }
  for (; column < job->v_dim; column += 16) {
    add_values<R, 1>(job, begin, end, p, v + column, part + column);
  }
}

// One block for a tile of R pairs (or a smaller one that fits the pairs left; returns the size).
// The pairs share the loads of the positions that all of them see; the few at the edges, which
// only some see, are added pair by pair, so that the order within a pair stays ascending.
template <int R>
inline int value_pairs(const AttentionJob* job, const SpanState* state, int64_t at, int left,
                       const float* p, const float* block, float* part) {
  if constexpr (R > 1) {
    if (left < R) return value_pairs<R / 2>(job, state, at, left, p, block, part);
  }
  int64_t begin = at;
  int64_t end = at + kBlockPositions;
  for (int i = 0; i < R; ++i) {
    begin = state[i].begin > begin ? state[i].begin : begin;
    end = state[i].end < end ? state[i].end : end;
  }
  if (begin >= end) begin = end = at + kBlockPositions;  // nothing in common: all is edge
  for (int i = 0; i < R; ++i) {
    const int64_t first = state[i].begin > at ? state[i].begin : at;
    const int64_t last = state[i].end < begin ? state[i].end : begin;
    add_values_columns<1>(job, first, last, p + i * kSpan, block, part + i * job->v_dim);
  }
  add_values_columns<R>(job, begin, end, p, block, part);
  for (int i = 0; i < R; ++i) {
    const int64_t stop = at + kBlockPositions;
    const int64_t last = state[i].end < stop ? state[i].end : stop;
    add_values_columns<1>(job, end, last, p + i * kSpan, block, part + i * job->v_dim);
  }
  return R;
}

inline void value_span(const AttentionJob* job, const AttentionScratch& scratch,
                       const SpanState* state, int64_t begin, int64_t end) {
  for (int64_t at = begin - begin % kBlockPositions; at < end; at += kBlockPositions) {
    const float* block = block_of(job, at) + job->v_offset;
    for (int r = 0; r < job->pairs;) {
      r += value_pairs<kValuePairs>(job, state + r, at, job->pairs - r,
                                    scratch.scores + r * kSpan, block,
                                    scratch.part + r * job->v_dim);
    }
  }
}

// (peak, sum, total) of one pair with one more span: the one softmax of both.
inline void merge_span(const SpanState& span, const float* part, int64_t n, bool first,
                       float* peak, float* sum, float* total) {
  if (first) {
    for (int64_t i = 0; i < n; i += 16) store(total + i, load(part + i));
    *peak = span.peak;
    *sum = span.sum;
    return;
  }
  const float top = span.peak > *peak ? span.peak : *peak;
  float factors[16] = {*peak - top, span.peak - top};
  exp_all(factors, factors, 2);
  const Floats old_factor = splat(factors[0]);
  const Floats new_factor = splat(factors[1]);
  for (int64_t i = 0; i < n; i += 16) {
    store(total + i, fma(load(part + i), new_factor, mul(load(total + i), old_factor)));
  }
  *sum = __builtin_fmaf(span.sum, factors[1], *sum * factors[0]);
  *peak = top;
}

inline void attention_pairs(const AttentionJob* job) {
  AttentionScratch scratch;
  scratch.q = job->scratch;
  scratch.scores = scratch.q + kPairsMax * job->v_dim;
  scratch.part = scratch.scores + kPairsMax * kSpan;
  scratch.total = scratch.part + kPairsMax * job->v_dim;

  int64_t low[kPairsMax];
  float peak[kPairsMax];
  float sum[kPairsMax];
  bool started[kPairsMax] = {};
  int64_t lowest = INT64_MAX;
  int64_t highest = 0;
  for (int r = 0; r < job->pairs; ++r) {
    for (int64_t d = 0; d < job->head_dim; ++d) scratch.q[r * job->head_dim + d] = job->q[r][d];
    const int64_t seen_from = int64_t{job->position[r]} - job->window + 1;
    low[r] = job->window > 0 && seen_from > 0 ? seen_from : 0;
    lowest = low[r] < lowest ? low[r] : lowest;
    highest = job->position[r] > highest ? job->position[r] : highest;
  }
  for (int64_t span = lowest - lowest % kSpan; span <= highest; span += kSpan) {
    SpanState state[kPairsMax];
    for (int r = 0; r < job->pairs; ++r) {
      const int64_t end = int64_t{job->position[r]} + 1;
      state[r].begin = low[r] > span ? low[r] : span;
      state[r].end = end < span + kSpan ? end : span + kSpan;
      if (state[r].begin >= state[r].end) state[r].begin = state[r].end = span;
    }
    const int64_t begin = lowest > span ? lowest : span;
    const int64_t end = highest + 1 < span + kSpan ? highest + 1 : span + kSpan;
    score_span(job, scratch, span, begin, end);
    for (int r = 0; r < job->pairs; ++r) {
      if (state[r].begin < state[r].end) softmax_span(&state[r], scratch.scores + r * kSpan, span);
      for (int64_t i = 0; i < job->v_dim; i += 16) {
        store(scratch.part + r * job->v_dim + i, splat(0.0f));
      }
    }
    value_span(job, scratch, state, begin, end);
    for (int r = 0; r < job->pairs; ++r) {
      if (state[r].begin >= state[r].end) continue;
      merge_span(state[r], scratch.part + r * job->v_dim, job->v_dim, !started[r], &peak[r],
                 &sum[r], scratch.total + r * job->v_dim);
      started[r] = true;
    }
  }
  for (int r = 0; r < job->pairs; ++r) {
    const Floats inverse = splat(1.0f / sum[r]);
    for (int64_t i = 0; i < job->head_dim; i += 16) {
      store_up_to(job->out[r] + i, mul(load(scratch.total + r * job->v_dim + i), inverse),
                  job->head_dim - i);
    }
  }
}

}  // namespace
}  // namespace weft::tensor
