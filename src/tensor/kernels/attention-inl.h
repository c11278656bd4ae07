// SPDX-License-Identifier: Apache-2.0
//
// Attention of a few (token, query head) pairs that share a KV head. Positions are reduced in
// spans of 256 absolute positions, whatever the batch or the chunk: within a span the maximum,
// the sum of exponentials (16 lanes, lane = position mod 16) and the weighted values (fma over
// ascending positions); spans are merged in ascending order. A pair only ever reads positions it
// may see, so neither its neighbours nor unwritten cache can touch its bits.
//
// Keys and values of a block are read once for a tile of pairs: the query heads that share a KV
// head, the rows of a prompt, and all sequences of a job whose texts begin in the same blocks. In
// scores a lane is a position, so that a dot product needs no horizontal sum; in values a lane is
// an output element. What a cached number is: cache-inl.h.
// While a block is used, the one that is needed next is asked for, be it of the next sequence:
// blocks lie far apart in memory, and decoding at depth does little but wait for them.
#pragma once

namespace weft::tensor {
namespace {

// What is known of one pair. In the span at hand it sees the positions [begin, end), whose largest
// score is `peak`, and `sum` of exponentials; up to there `merged_peak` and `merged_sum`.
struct PairState {
  int64_t low;   // the first position that it sees at all
  int64_t high;  // behind its last
  int64_t begin;
  int64_t end;
  float peak;
  float sum;
  bool started;
  float merged_peak;
  float merged_sum;
};

// Pairs [first, first + count): those of one sequence, or of all.
struct PairRange {
  int first;
  int count;
};

// A block of the cache and the pairs that read it.
struct Visit {
  const uint8_t* block;
  int64_t at;  // its first position
  PairRange pairs;
};

struct AttentionScratch {
  float* q;        // (pairs, head_dim), or panels of quantised queries: of all, then of each
  float* scores;   // (pairs, kSpan), then exponentials
  float* part;     // (pairs, v_dim): this span's weighted values
  float* total;    // (pairs, v_dim): merged so far
  float* wide;     // values of a block as floats (32, v_dim)
  PairState pairs[kPairsMax];
  Visit visits[kPairsMax * (kSpan / kBlockPositions)];  // of the span at hand
};

// The largest tile of at most R pairs that fits the pairs left; returns its size.
template <class Cache, int R>
inline int score_tile(const AttentionJob* job, const float* q, int64_t at, int64_t left,
                      const uint8_t* keys, const uint8_t* next, float* scores) {
  if constexpr (R > 1) {
    if (left < R) {
      return score_tile<Cache, Cache::smaller(R)>(job, q, at, left, keys, next, scores);
    }
  }
  Cache::template score<R>(job, q, at, keys, next, scores + at * kSpan);
  return R;
}

// The first tile asks for `next`.
template <class Cache>
inline void score_all(const AttentionJob* job, const float* q, int64_t count, const uint8_t* keys,
                      const uint8_t* next, float* scores) {
  for (int64_t r = 0; r < count; next = nullptr) {
    r += score_tile<Cache, Cache::kPairs>(job, q, r, count - r, keys, next, scores);
  }
}

// Where the queries of some pairs lie for score_all().
template <class Cache>
inline float* queries_of(const AttentionJob* job, const AttentionScratch& scratch, PairRange some) {
  if constexpr (!Cache::kIntegerScores) return scratch.q + some.first * job->head_dim;
  const int64_t groups = (job->head_dim + kGroup - 1) / kGroup;
  const int64_t own = some.count < job->pairs ? job->pairs : 0;  // behind those of all
  return scratch.q + (own + some.first) * groups * kPanelGroup / 4;
}

// Quantised in the tiles that score_all() takes.
template <class Cache>
inline void pack_panels(const AttentionJob* job, const AttentionScratch& scratch, PairRange some,
                        const float* q) {
  const int64_t groups = (job->head_dim + kGroup - 1) / kGroup;
  uint8_t* panel = reinterpret_cast<uint8_t*>(queries_of<Cache>(job, scratch, some));
  for (int64_t r = 0; r < some.count;) {
    int64_t tile = Cache::kPairs;
    while (tile > some.count - r) tile = Cache::smaller(static_cast<int>(tile));
    pack_panel_q8(q + (some.first + r) * job->head_dim, job->head_dim, tile, job->head_dim, panel);
    panel += tile * groups * kPanelGroup;
    r += tile;
  }
}

inline PairRange pairs_of(const AttentionJob* job, int sequence) {
  const int first = sequence == 0 ? 0 : job->pairs_until[sequence - 1];
  return {first, job->pairs_until[sequence] - first};
}

// The queries side by side. Panels twice: a sequence has other tiles than all together.
template <class Cache>
inline void pack_queries(const AttentionJob* job, const AttentionScratch& scratch) {
  float* to = Cache::kIntegerScores ? scratch.part : scratch.q;
  for (int r = 0; r < job->pairs; ++r) {
    for (int64_t d = 0; d < job->head_dim; ++d) to[r * job->head_dim + d] = job->q[r][d];
  }
  if constexpr (Cache::kIntegerScores) {
    pack_panels<Cache>(job, scratch, {0, job->pairs}, to);
    for (int s = 0; s < job->sequences && job->sequences > 1; ++s) {
      pack_panels<Cache>(job, scratch, pairs_of(job, s), to);
    }
  }
}

template <class Cache>
inline void score_visit(const AttentionJob* job, const AttentionScratch& scratch, int64_t span,
                        const Visit& visit, const uint8_t* next) {
  const uint8_t* keys = visit.block + job->k_offset;
  const float* q = queries_of<Cache>(job, scratch, visit.pairs);
  float* scores = scratch.scores + visit.pairs.first * kSpan + (visit.at - span);
  score_all<Cache>(job, q, visit.pairs.count, keys, next, scores);
}

// Scores become exponentials; whatever lies outside [begin, end) of the pair becomes zero.
inline void softmax_span(PairState* state, float* scores, int64_t span) {
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
// [begin, end) of one block. `Source` is what lies in the cache, `Cache` what is read: the same, or
// floats that the block has become.
template <class Cache, class Source, int R, int C>
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
      const int64_t slot = at % kBlockPositions;
      value[c] = Cache::value(job, values, slot, column + c * 16);
      if (next != nullptr && (c * 16 * Source::kBytes) % 64 == 0) {
        __builtin_prefetch(next + (slot * job->v_dim + column + c * 16) * Source::kBytes, 0,
                           kAhead);
      }
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

template <class Cache, class Source, int R>
inline void add_values_columns(const AttentionJob* job, int64_t begin, int64_t end, const float* p,
                               const uint8_t* values, const uint8_t* next, float* part) {
  if (begin >= end) return;
  int64_t column = 0;
  for (; column + 16 * kValueVectors <= job->v_dim; column += 16 * kValueVectors) {
    add_values<Cache, Source, R, kValueVectors>(job, begin, end, p, values, next, column, part);
  }
  for (; column < job->v_dim; column += 16) {
    add_values<Cache, Source, R, 1>(job, begin, end, p, values, next, column, part);
  }
}

// One block for a tile of R pairs (or a smaller one that fits the pairs left; returns the size).
// The pairs share the loads of the positions that all of them see; the few at the edges, which
// only some see, are added pair by pair, so that the order within a pair stays ascending.
template <class Cache, class Source, int R>
inline int value_pairs(const AttentionJob* job, const PairState* state, int64_t at, int left,
                       const float* p, const uint8_t* values, const uint8_t* next, float* part) {
  if constexpr (R > 1) {
    if (left < R) {
      return value_pairs<Cache, Source, R / 2>(job, state, at, left, p, values, next, part);
    }
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
    add_values_columns<Cache, Source, 1>(job, first, last, p + i * kSpan, values, nullptr,
                                         part + i * job->v_dim);
  }
  add_values_columns<Cache, Source, R>(job, begin, end, p, values, next, part);
  for (int i = 0; i < R; ++i) {
    const int64_t last = state[i].end < stop ? state[i].end : stop;
    add_values_columns<Cache, Source, 1>(job, end, last, p + i * kSpan, values, nullptr,
                                         part + i * job->v_dim);
  }
  return R;
}

// The first tile asks for `next`.
template <class Cache, class Source>
inline void value_all(const AttentionJob* job, const AttentionScratch& scratch, const Visit& visit,
                      const uint8_t* values, const uint8_t* next) {
  for (int r = visit.pairs.first; r < visit.pairs.first + visit.pairs.count; next = nullptr) {
    r += value_pairs<Cache, Source, kValuePairs>(
        job, scratch.pairs + r, visit.at, visit.pairs.first + visit.pairs.count - r,
        scratch.scores + r * kSpan, values, next, scratch.part + r * job->v_dim);
  }
}

template <class Cache>
inline void value_visit(const AttentionJob* job, const AttentionScratch& scratch,
                        const Visit& visit, const uint8_t* next) {
  const uint8_t* values = visit.block + job->v_offset;
  if (!Cache::kWiden || visit.pairs.count <= kValuePairs) {
    return value_all<Cache, Cache>(job, scratch, visit, values, next);
  }
  int64_t begin = visit.at + kBlockPositions;  // what none of them sees may be no number
  int64_t end = visit.at;
  for (int r = visit.pairs.first; r < visit.pairs.first + visit.pairs.count; ++r) {
    begin = scratch.pairs[r].begin < begin ? scratch.pairs[r].begin : begin;
    end = scratch.pairs[r].end > end ? scratch.pairs[r].end : end;
  }
  const int64_t last = end - visit.at < kBlockPositions ? end - visit.at : kBlockPositions;
  for (int64_t slot = begin > visit.at ? begin - visit.at : 0; slot < last; ++slot) {
    for (int64_t column = 0; column < job->v_dim; column += 16) {
      store(scratch.wide + slot * job->v_dim + column, Cache::value(job, values, slot, column));
    }
  }
  const auto* wide = reinterpret_cast<const uint8_t*>(scratch.wide);
  value_all<CacheF32, Cache>(job, scratch, visit, wide, next);
}

// (peak, sum, total) of one pair with one more span: the one softmax of both.
inline void merge_span(PairState* state, const float* part, int64_t n, float* total) {
  if (!state->started) {
    for (int64_t i = 0; i < n; i += 16) store(total + i, load(part + i));
    state->merged_peak = state->peak;
    state->merged_sum = state->sum;
    state->started = true;
    return;
  }
  const float top = state->peak > state->merged_peak ? state->peak : state->merged_peak;
  float factors[16] = {state->merged_peak - top, state->peak - top};
  exp_all(factors, factors, 2);
  const Floats old_factor = splat(factors[0]);
  const Floats new_factor = splat(factors[1]);
  for (int64_t i = 0; i < n; i += 16) {
    store(total + i, fma(load(part + i), new_factor, mul(load(total + i), old_factor)));
  }
  state->merged_sum = __builtin_fmaf(state->sum, factors[1], state->merged_sum * factors[0]);
  state->merged_peak = top;
}

inline const uint8_t* block_of(const AttentionJob* job, int sequence, int64_t position) {
  const int64_t id = job->blocks[sequence][position / kBlockPositions];
  return job->cache + id * job->block_stride;
}

// Positions that at least one of some pairs sees.
inline void seen_by(const AttentionScratch& scratch, PairRange some, int64_t* low, int64_t* high) {
  *low = INT64_MAX;
  *high = 0;
  for (int r = some.first; r < some.first + some.count; ++r) {
    *low = scratch.pairs[r].low < *low ? scratch.pairs[r].low : *low;
    *high = scratch.pairs[r].high > *high ? scratch.pairs[r].high : *high;
  }
}

// The blocks of a span that sequences [first, last) read: what they share for all of them, then the
// others of each. Ascending for every pair.
inline int list_visits(const AttentionJob* job, AttentionScratch* scratch, int first, int last,
                       int64_t span) {
  int count = 0;
  const auto list = [&](int sequence, PairRange pairs, int64_t from, int64_t to) {
    int64_t low = 0;
    int64_t high = 0;
    seen_by(*scratch, pairs, &low, &high);
    low -= low % kBlockPositions;
    if (low > from) from = low;
    if (high < to) to = high;
    for (int64_t at = from; at < to; at += kBlockPositions) {
      scratch->visits[count++] = {block_of(job, sequence, at), at, pairs};
    }
  };
  const int64_t end = span + kSpan;
  const int64_t shared = job->shared < span ? span : job->shared < end ? job->shared : end;
  const int begin = pairs_of(job, first).first;
  list(first, {begin, job->pairs_until[last - 1] - begin}, span, shared);
  for (int s = first; s < last; ++s) list(s, pairs_of(job, s), shared, end);
  return count;
}

// The span at `span` of sequences [first, last). `after`: the block that will be needed then.
template <class Cache>
inline void reduce_span(const AttentionJob* job, AttentionScratch* scratch, int first, int last,
                        int64_t span, const uint8_t* after) {
  const int begin = pairs_of(job, first).first;
  const int end = job->pairs_until[last - 1];
  for (int r = begin; r < end; ++r) {
    PairState& pair = scratch->pairs[r];
    pair.begin = pair.low > span ? pair.low : span;
    pair.end = pair.high < span + kSpan ? pair.high : span + kSpan;
    if (pair.begin >= pair.end) pair.begin = pair.end = span;
  }
  const int visits = list_visits(job, scratch, first, last, span);
  const Visit* visit = scratch->visits;
  for (int i = 0; i < visits; ++i) {
    score_visit<Cache>(job, *scratch, span, visit[i],
                       i + 1 < visits ? visit[i + 1].block + job->k_offset
                                      : visit[0].block + job->v_offset);
  }
  for (int r = begin; r < end; ++r) {
    PairState& pair = scratch->pairs[r];
    if (pair.begin < pair.end) softmax_span(&pair, scratch->scores + r * kSpan, span);
    for (int64_t i = 0; i < job->v_dim; i += 16) {
      store(scratch->part + r * job->v_dim + i, splat(0.0f));
    }
  }
  for (int i = 0; i < visits; ++i) {
    value_visit<Cache>(job, *scratch, visit[i],
                       i + 1 < visits     ? visit[i + 1].block + job->v_offset
                       : after != nullptr ? after + job->k_offset
                                          : nullptr);
  }
  for (int r = begin; r < end; ++r) {
    PairState& pair = scratch->pairs[r];
    if (pair.begin >= pair.end) continue;
    merge_span(&pair, scratch->part + r * job->v_dim, job->v_dim,
               scratch->total + r * job->v_dim);
  }
}

// Sequences go together as far as they share blocks, to the end of that span.
inline int64_t positions_together(const AttentionJob* job) {
  return (job->shared + kSpan - 1) / kSpan * kSpan;
}

// The block that is needed when sequences [first, last) have been reduced; null: none.
inline const uint8_t* block_after(const AttentionJob* job, int first, int last) {
  const bool all = first == 0 && last == job->sequences;
  if (all ? last == 1 : last == job->sequences) return nullptr;
  const int next = all ? 0 : last;
  const int64_t at = positions_together(job);
  const int64_t newest = job->position[job->pairs_until[next] - 1];
  return block_of(job, next, at < newest ? at : newest);
}

// All spans from `from` on, before `to`, that sequences [first, last) see.
template <class Cache>
inline void reduce_spans(const AttentionJob* job, AttentionScratch* scratch, int first, int last,
                         int64_t from, int64_t to) {
  const int begin = pairs_of(job, first).first;
  int64_t low = 0;
  int64_t high = 0;
  seen_by(*scratch, {begin, job->pairs_until[last - 1] - begin}, &low, &high);
  low -= low % kSpan;
  if (low > from) from = low;
  if (high < to) to = high;
  for (int64_t span = from; span < to; span += kSpan) {
    const uint8_t* after = span + kSpan < to ? block_of(job, first, span + kSpan)
                                             : block_after(job, first, last);
    reduce_span<Cache>(job, scratch, first, last, span, after);
  }
}

template <class Cache>
inline void attention_pairs(const AttentionJob* job) {
  AttentionScratch scratch;
  scratch.q = job->scratch;
  scratch.scores = scratch.q + kPairsMax * (job->v_dim + 16);
  scratch.part = scratch.scores + kPairsMax * kSpan;
  scratch.total = scratch.part + kPairsMax * job->v_dim;
  scratch.wide = scratch.total + kPairsMax * job->v_dim;
  pack_queries<Cache>(job, scratch);
  for (int r = 0; r < job->pairs; ++r) {
    PairState& pair = scratch.pairs[r];
    const int64_t seen_from = int64_t{job->position[r]} - job->window + 1;
    pair.low = job->window > 0 && seen_from > 0 ? seen_from : 0;
    pair.high = int64_t{job->position[r]} + 1;
    pair.started = false;
  }
  const int64_t together = positions_together(job);
  if (together > 0) reduce_spans<Cache>(job, &scratch, 0, job->sequences, 0, together);
  for (int s = 0; s < job->sequences; ++s) {
    reduce_spans<Cache>(job, &scratch, s, s + 1, together, INT64_MAX);
  }
  for (int r = 0; r < job->pairs; ++r) {
    const Floats inverse = splat(1.0f / scratch.pairs[r].merged_sum);
    for (int64_t i = 0; i < job->head_dim; i += 16) {
      store_up_to(job->out[r] + i, mul(load(scratch.total + r * job->v_dim + i), inverse),
                  job->head_dim - i);
    }
  }
}

}  // namespace
}  // namespace weft::tensor
