// SPDX-License-Identifier: Apache-2.0
//
// Attention of a few (token, query head) pairs that share a KV head. Positions are reduced in
// spans of 256 absolute positions, whatever the batch or the chunk: within a span the maximum,
// the sum of exponentials (16 lanes, lane = position mod 16) and the weighted values (fma over
// ascending positions); spans are merged in ascending order. A pair only ever reads positions it
// may see, so neither its neighbours nor unwritten cache can touch its bits.
//
// Keys and values of a block are read once for a tile of pairs: the query heads that share a KV
// head, and the rows of a prompt. In scores a lane is a position, so that a dot product needs no
// horizontal sum; in values a lane is an output element. What a cached number is: cache-inl.h.
// While a block is used, the next one is asked for: blocks lie far apart in memory, and decoding at
// depth does little but wait for them.
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
  float* q;        // (pairs, head_dim), or panels of quantised queries
  float* scores;   // (pairs, kSpan), then exponentials
  float* part;     // (pairs, v_dim): this span's weighted values
  float* total;    // (pairs, v_dim): merged so far
  float* wide;     // keys or values of a block as floats (32, v_dim)
};

// The largest tile of at most R pairs that fits the pairs left; returns its size.
template <class Cache, int R>
inline int score_tile(const AttentionJob* job, const float* q, int64_t first, const uint8_t* keys,
                      const uint8_t* next, float* scores) {
  if constexpr (R > 1) {
    if (job->pairs - first < R) {
      return score_tile<Cache, Cache::smaller(R)>(job, q, first, keys, next, scores);
    }
  }
  Cache::template score<R>(job, q, first, keys, next, scores + first * kSpan);
  return R;
}

template <class Cache>
inline void score_all(const AttentionJob* job, const float* q, const uint8_t* keys,
                      const uint8_t* next, float* scores) {
  for (int64_t r = 0; r < job->pairs;) {
    r += score_tile<Cache, Cache::kPairs>(job, q, r, keys, next, scores);
  }
}

// The queries side by side, quantised in the tiles that score_all() takes.
template <class Cache>
inline void pack_queries(const AttentionJob* job, const AttentionScratch& scratch) {
  float* to = Cache::kIntegerScores ? scratch.part : scratch.q;
  for (int r = 0; r < job->pairs; ++r) {
    for (int64_t d = 0; d < job->head_dim; ++d) to[r * job->head_dim + d] = job->q[r][d];
  }
  if constexpr (Cache::kIntegerScores) {
    const int64_t groups = (job->head_dim + kGroup - 1) / kGroup;
    uint8_t* panel = reinterpret_cast<uint8_t*>(scratch.q);
    for (int64_t r = 0; r < job->pairs;) {
      int64_t tile = Cache::kPairs;
      while (tile > job->pairs - r) tile = Cache::smaller(static_cast<int>(tile));
      pack_panel_q8(to + r * job->head_dim, job->head_dim, tile, job->head_dim, panel);
      panel += tile * groups * kPanelGroup;
      r += tile;
    }
  }
}

inline const uint8_t* block_of(const AttentionJob* job, int64_t position) {
  return job->cache + job->blocks[position / kBlockPositions] * job->block_stride;
}

template <class Cache>
inline void score_span(const AttentionJob* job, const AttentionScratch& scratch, int64_t span,
                       int64_t begin, int64_t end) {
  for (int64_t at = begin - begin % kBlockPositions; at < end; at += kBlockPositions) {
    const uint8_t* keys = block_of(job, at) + job->k_offset;
    const int64_t after = at + kBlockPositions < end ? at + kBlockPositions : at;
    const uint8_t* next = block_of(job, after) + job->k_offset;
    float* scores = scratch.scores + (at - span);
    if constexpr (!Cache::kIntegerScores && !Cache::kFloats) {
      if (job->pairs > Cache::kPairs) {
        for (int64_t i = 0; i < kBlockPositions * job->head_dim; i += 16) {
          store(scratch.wide + i, Cache::key(keys, i));
        }
        const auto* wide = reinterpret_cast<const uint8_t*>(scratch.wide);
        score_all<CacheF32>(job, scratch.q, wide, wide, scores);
        continue;
      }
    }
    score_all<Cache>(job, scratch.q, keys, next, scores);
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

// part[r] += p[r, j] v[j] for R pairs, C vectors of outputs from `column` on, ascending positions
// [begin, end) of one block.
template <class Cache, int R, int C>
inline void add_values(const AttentionJob* job, int64_t begin, int64_t end, const float* p,
                       const uint8_t* values, const uint8_t* next, int64_t column, float* part) {
  Floats acc[R][C];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int c = 0; c < C; ++c) acc[r][c] = load(part + r * job->v_dim + column + c * 16);
  }
  for (int64_t at = begin; at < end; ++at) {
    Floats value[C];
#pragma GCC unroll 16
    for (int c = 0; c < C; ++c) {
      value[c] = Cache::value(job, values, at % kBlockPositions, column + c * 16);
      Cache::ask_for_value(job, next, at % kBlockPositions, column + c * 16);
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const Floats weight = splat(p[r * kSpan + at % kSpan]);
#pragma GCC unroll 16
      for (int c = 0; c < C; ++c) acc[r][c] = fma(weight, value[c], acc[r][c]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int c = 0; c < C; ++c) store(part + r * job->v_dim + column + c * 16, acc[r][c]);
  }
}

template <class Cache, int R>
inline void add_values_columns(const AttentionJob* job, int64_t begin, int64_t end, const float* p,
                               const uint8_t* values, const uint8_t* next, float* part) {
  if (begin >= end) return;
  int64_t column = 0;
  for (; column + 16 * kValueVectors <= job->v_dim; column += 16 * kValueVectors) {
    add_values<Cache, R, kValueVectors>(job, begin, end, p, values, next, column, part);
  }
  for (; column < job->v_dim; column += 16) {
    add_values<Cache, R, 1>(job, begin, end, p, values, next, column, part);
  }
}

// One block for a tile of R pairs (or a smaller one that fits the pairs left; returns the size).
// The pairs share the loads of the positions that all of them see; the few at the edges, which
// only some see, are added pair by pair, so that the order within a pair stays ascending.
template <class Cache, int R>
inline int value_pairs(const AttentionJob* job, const SpanState* state, int64_t at, int left,
                       const float* p, const uint8_t* values, const uint8_t* next, float* part) {
  if constexpr (R > 1) {
    if (left < R) return value_pairs<Cache, R / 2>(job, state, at, left, p, values, next, part);
  }
  const int64_t stop = at + kBlockPositions;
  int64_t begin = at;
  int64_t end = stop;
  for (int i = 0; i < R; ++i) {
    begin = state[i].begin > begin ? state[i].begin : begin;
    end = state[i].end < end ? state[i].end : end;
  }
  if (begin >= end) begin = end = stop;  // nothing in common: all is edge
  for (int i = 0; i < R; ++i) {
    const int64_t first = state[i].begin > at ? state[i].begin : at;
    const int64_t last = state[i].end < begin ? state[i].end : begin;
    add_values_columns<Cache, 1>(job, first, last, p + i * kSpan, values, next,
                                 part + i * job->v_dim);
  }
  add_values_columns<Cache, R>(job, begin, end, p, values, next, part);
  for (int i = 0; i < R; ++i) {
    const int64_t last = state[i].end < stop ? state[i].end : stop;
    add_values_columns<Cache, 1>(job, end, last, p + i * kSpan, values, next,
                                 part + i * job->v_dim);
  }
  return R;
}

template <class Cache>
inline void value_block(const AttentionJob* job, const AttentionScratch& scratch,
                        const SpanState* state, int64_t at, const uint8_t* values,
                        const uint8_t* next) {
  for (int r = 0; r < job->pairs;) {
    r += value_pairs<Cache, kValuePairs>(job, state + r, at, job->pairs - r,
                                         scratch.scores + r * kSpan, values, next,
                                         scratch.part + r * job->v_dim);
  }
}

template <class Cache>
inline void value_span(const AttentionJob* job, const AttentionScratch& scratch,
                       const SpanState* state, int64_t begin, int64_t end) {
  for (int64_t at = begin - begin % kBlockPositions; at < end; at += kBlockPositions) {
    const uint8_t* values = block_of(job, at) + job->v_offset;
    const int64_t after = at + kBlockPositions < end ? at + kBlockPositions : at;
    if (Cache::kFloats || job->pairs <= kValuePairs) {
      value_block<Cache>(job, scratch, state, at, values,
                         block_of(job, after) + job->v_offset);
      continue;
    }
    const int64_t last = end - at < kBlockPositions ? end - at : kBlockPositions;
    for (int64_t slot = begin > at ? begin - at : 0; slot < last; ++slot) {
      for (int64_t column = 0; column < job->v_dim; column += 16) {
        store(scratch.wide + slot * job->v_dim + column, Cache::value(job, values, slot, column));
      }
    }
    const auto* wide = reinterpret_cast<const uint8_t*>(scratch.wide);
    value_block<CacheF32>(job, scratch, state, at, wide, wide);
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

// What a job of the spans before, or after, has merged or goes on from.
inline void take_carry(const AttentionJob* job, float* total, float* peak, float* sum) {
  for (int r = 0; r < job->pairs; ++r) {
    const float* carry = job->carry + r * (job->v_dim + 2);
    for (int64_t i = 0; i < job->v_dim; i += 16) store(total + r * job->v_dim + i, load(carry + i));
    peak[r] = carry[job->v_dim];
    sum[r] = carry[job->v_dim + 1];
  }
}

inline void give_carry(const AttentionJob* job, const float* total, const float* peak,
                       const float* sum) {
  for (int r = 0; r < job->pairs; ++r) {
    float* carry = job->carry + r * (job->v_dim + 2);
    for (int64_t i = 0; i < job->v_dim; i += 16) store(carry + i, load(total + r * job->v_dim + i));
    carry[job->v_dim] = peak[r];
    carry[job->v_dim + 1] = sum[r];
  }
}

template <class Cache>
inline void attention_pairs(const AttentionJob* job) {
  AttentionScratch scratch;
  scratch.q = job->scratch;
  scratch.scores = scratch.q + kPairsMax * job->v_dim;
  scratch.part = scratch.scores + kPairsMax * kSpan;
  scratch.total = scratch.part + kPairsMax * job->v_dim;
  scratch.wide = scratch.total + kPairsMax * job->v_dim;
  pack_queries<Cache>(job, scratch);

  int64_t low[kPairsMax];
  float peak[kPairsMax];
  float sum[kPairsMax];
  bool started[kPairsMax] = {};
  int64_t lowest = INT64_MAX;
  int64_t highest = 0;
  for (int r = 0; r < job->pairs; ++r) {
    const int64_t seen_from = int64_t{job->position[r]} - job->window + 1;
    low[r] = job->window > 0 && seen_from > 0 ? seen_from : 0;
    lowest = low[r] < lowest ? low[r] : lowest;
    highest = job->position[r] > highest ? job->position[r] : highest;
  }
  if (job->until > 0) highest = job->until - 1;
  if (job->from > 0) {
    lowest = job->from;
    take_carry(job, scratch.total, peak, sum);
    for (int r = 0; r < job->pairs; ++r) started[r] = true;
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
    score_span<Cache>(job, scratch, span, begin, end);
    for (int r = 0; r < job->pairs; ++r) {
      if (state[r].begin < state[r].end) softmax_span(&state[r], scratch.scores + r * kSpan, span);
      for (int64_t i = 0; i < job->v_dim; i += 16) {
        store(scratch.part + r * job->v_dim + i, splat(0.0f));
      }
    }
    value_span<Cache>(job, scratch, state, begin, end);
    for (int r = 0; r < job->pairs; ++r) {
      if (state[r].begin >= state[r].end) continue;
      merge_span(state[r], scratch.part + r * job->v_dim, job->v_dim, !started[r], &peak[r],
                 &sum[r], scratch.total + r * job->v_dim);
      started[r] = true;
    }
  }
  if (job->until > 0) return give_carry(job, scratch.total, peak, sum);
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
