// SPDX-License-Identifier: Apache-2.0
#include "tensor/ops.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "tensor/kernels/table.h"
#include "tensor/tables.h"

namespace weft::tensor {
namespace {

// Packed activations of one pass over the weights: half of a common second-level cache, so that
// the other half is left to the strip that streams by. More tokens than fit make another pass.
constexpr int64_t kPanelBytesMax = 512 * 1024;
constexpr int32_t kHeadDimMax = 256;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

void check_same_shape(const Rows& y, const ConstRows& x) {
  CHECK(y.rows == x.rows && y.columns == x.columns, "({}, {}) with ({}, {})", y.rows, y.columns,
        x.rows, x.columns);
}

void check_sequence(const SequenceRows& s, const KvView& view, int64_t rows) {
  CHECK(s.first_row >= 0 && s.rows >= 0 && s.first_row + s.rows <= rows,
        "rows {}+{} of a batch of {}", s.first_row, s.rows, rows);
  CHECK(s.first_position >= 0 &&
            ceil_div(s.first_position + s.rows, kBlockPositions) <= std::ssize(s.blocks),
        "positions {}+{} in {} blocks", s.first_position, s.rows, s.blocks.size());
  CHECK(view.base != nullptr && view.block_stride >= view.layout.block_bytes());
}

// One head of one row: a key goes to a column of its block, a value to a row. The stores are by
// bytes, so that one function serves all types.
void store_head(const KernelTable& table, const KvView& view, uint8_t* block, int64_t slot,
                int64_t head, const float* key, const float* value) {
  const KvLayout& layout = view.layout;
  const int64_t d = layout.head_dim;
  uint8_t* keys = block + head * layout.key_bytes();
  uint8_t* values = block + layout.kv_heads * layout.key_bytes() + head * layout.value_bytes();
  uint8_t* row = nullptr;
  if (layout.type == KvType::kF32) {
    for (int64_t j = 0; j < d; ++j) {
      std::memcpy(keys + (j * kBlockPositions + slot) * 4, key + j, 4);
    }
    row = values + slot * layout.v_dim() * 4;
    std::memcpy(row, value, static_cast<size_t>(d) * 4);
    std::memset(row + d * 4, 0, static_cast<size_t>(layout.v_dim() - d) * 4);
    return;
  }
  if (layout.type == KvType::kF16) {
    uint16_t halves[kHeadDimMax];
    table.to_f16(halves, key, d);
    for (int64_t j = 0; j < d; ++j) {
      std::memcpy(keys + (j * kBlockPositions + slot) * 2, halves + j, 2);
    }
    row = values + slot * layout.v_dim() * 2;
    table.to_f16(halves, value, d);
    std::memcpy(row, halves, static_cast<size_t>(d) * 2);
    std::memset(row + d * 2, 0, static_cast<size_t>(layout.v_dim() - d) * 2);
    return;
  }
  uint8_t codes[kHeadDimMax];
  uint16_t scales[kHeadDimMax / kGroup];
  const int64_t groups = layout.groups();
  table.to_q8(codes, scales, key, d);
  for (int64_t g = 0; g < groups; ++g) {
    uint8_t* to = keys + g * (8 * kLineBytes) + slot * 4;
    for (int64_t j = 0; j < 8; ++j) {
      std::memcpy(to + j * kLineBytes, codes + g * kGroup + j * 4, 4);
    }
    std::memcpy(keys + groups * kGroup * kBlockPositions + (g * kBlockPositions + slot) * 2,
                scales + g, 2);
  }
  table.to_q8(codes, scales, value, d);
  std::memcpy(values + slot * layout.v_dim(), codes, static_cast<size_t>(layout.v_dim()));
  std::memcpy(values + kBlockPositions * layout.v_dim() + slot * groups * 2, scales,
              static_cast<size_t>(groups) * 2);
}

// How many positions stand in the same whole blocks, before the rows of either.
int64_t shared_positions(const SequenceRows& a, const SequenceRows& b) {
  const int64_t most = std::min(a.first_position, b.first_position) / kBlockPositions;
  const auto end = a.blocks.begin() + most;
  return (std::mismatch(a.blocks.begin(), end, b.blocks.begin()).first - a.blocks.begin()) *
         kBlockPositions;
}

}  // namespace

// Views, never copies: gate and up, or q, k and v, are slices of one product.
Rows Rows::slice(int64_t first, int64_t count) const {
  CHECK(first >= 0 && count >= 0 && first + count <= columns);
  Rows out(data + first, rows, count);
  out.stride = stride;
  return out;
}

Rows Rows::range(int64_t first, int64_t count) const {
  CHECK(first >= 0 && count >= 0 && first + count <= rows);
  Rows out(data + first * stride, count, columns);
  out.stride = stride;
  return out;
}

Result<std::unique_ptr<Ops>> Ops::create(const OpsOptions& options) {
  CHECK(options.threads >= 0);
  const KernelTable* table =
      options.table.empty() ? TRY(best_table()) : TRY(table_by_name(options.table));
  const int threads = options.threads > 0 ? options.threads : usable_cores();
  return std::unique_ptr<Ops>(new Ops(*table, threads, options.numerics));
}

Ops::Ops(const KernelTable& table, int threads, Numerics numerics)
    : table_(table), numerics_(numerics), pool_(threads),
      attention_scratch_(static_cast<size_t>(threads)) {}

std::string_view Ops::table_name() const { return table_.name; }

std::string_view Ops::bf16_unit() const { return table_.dot.unit; }

void Ops::embed(Rows y, const Matrix& w, std::span<const int32_t> tokens) {
  CHECK(y.rows == std::ssize(tokens) && y.columns == w.columns());
  for_rows(y.rows, y.columns, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      w.read_row(tokens[i], {y.row(i), static_cast<size_t>(y.columns)});
    }
  });
}

// y = weight x / sqrt(mean(x^2) + eps) (Zhang and Sennrich, 2019). A row is never split over
// threads: its sum of squares has one order of additions, in 16 lanes, on every instruction set.
void Ops::rms_norm(Rows y, ConstRows x, std::span<const float> weight, float eps) {
  check_same_shape(y, x);
  CHECK(std::ssize(weight) == x.columns && x.columns > 0);
  for_rows(y.rows, y.columns, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      table_.rms_norm(y.row(i), x.row(i), weight.data(), x.columns, eps);
    }
  });
}

void Ops::rms_norm_heads(Rows x, std::span<const float> weight, float eps) {
  const int64_t d = std::ssize(weight);
  CHECK(d > 0 && x.columns % d == 0, "{} columns of heads of {}", x.columns, d);
  for_rows(x.rows, x.columns, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (float* head = x.row(i); head < x.row(i) + x.columns; head += d) {
        table_.rms_norm(head, head, weight.data(), d, eps);
      }
    }
  });
}

Ops::Product Ops::product_of(const Matrix& w) const {
  const int64_t groups = ceil_div(w.columns(), kGroup);
  if (is_quantised(w.type())) {
    void (*const kernels[])(const MatmulJob*) = {table_.matmul_q8, table_.matmul_q4,
                                                 table_.matmul_q4c};
    return {table_.panel_q8, groups * kPanelGroup, table_.pack_q8,
            kernels[static_cast<int>(w.type()) - static_cast<int>(WeightType::kQ8)]};
  }
  if (w.type() == WeightType::kBF16 && numerics_ == Numerics::kFast) {
    const DotKernels& dot = table_.dot;
    return {dot.panel, groups * kGroup * dot.value_bytes, dot.pack, dot.matmul};
  }
  void (*const kernels[])(const MatmulJob*) = {table_.matmul_f32, table_.matmul_bf16,
                                               table_.matmul_f16};
  return {table_.panel_f32, w.columns() * 4, table_.pack_f32, kernels[static_cast<int>(w.type())]};
}

// The weights stream once for all tokens of a pass: at one token a memory-bound product, at many a
// compute-bound one, by the same code. Activations are packed first, into the form the kernel
// reads; then strips of 16 output rows are shared out. K is never split, so the result does not
// depend on the number of threads.
void Ops::matmul(Rows y, ConstRows x, const Matrix& w, std::span<const float> bias) {
  CHECK(x.rows == y.rows && x.columns == w.columns() && y.columns == w.rows(),
        "({}, {}) = ({}, {}) times ({}, {})^T", y.rows, y.columns, x.rows, x.columns, w.rows(),
        w.columns());
  CHECK(bias.empty() || std::ssize(bias) == w.rows());
  if (y.rows == 0) return;
  const FlushDenormals flush;
  const Product product = product_of(w);
  const int64_t token_bytes = product.token_bytes;
  const int64_t panel_most = product.panel_tokens;
  const int64_t panels_at_once = std::max<int64_t>(1, kPanelBytesMax / (panel_most * token_bytes));
  const int64_t tokens_at_once = std::min(x.rows, panels_at_once * panel_most);
  // Equal panels: eight tokens are two panels of four, not one of six and a slow one of two.
  const int64_t panel = ceil_div(tokens_at_once, ceil_div(tokens_at_once, panel_most));
  panels_.reserve(static_cast<size_t>(tokens_at_once * token_bytes + kPanelSlack));

  for (int64_t token = 0; token < x.rows; token += tokens_at_once) {
    const int64_t tokens = std::min(tokens_at_once, x.rows - token);
    const auto pack_one = [&](int64_t p, int) {
      product.pack(x.row(token + p * panel), x.stride, std::min(panel, tokens - p * panel),
                   x.columns, panels_.data() + p * panel * token_bytes);
    };
    const int64_t panels = ceil_div(tokens, panel);
    if (tokens * x.columns <= kSerialFloats) {
      for (int64_t p = 0; p < panels; ++p) pack_one(p, 0);
    } else {
      pool_.parallel_for(panels, pack_one);
    }
    MatmulJob job{w.data(), w.strip_bytes(), 0, w.strips(), w.rows(), w.columns(),
                  panels_.data(), panel * token_bytes, panel, tokens, y.row(token), y.stride,
                  bias.empty() ? nullptr : bias.data()};
    if (tokens * w.columns() * w.rows() <= 4 * kSerialFloats) {
      product.kernel(&job);
      continue;
    }
    const int64_t step = std::max<int64_t>(2, ceil_div(w.strips(), pool_.threads() * 4));
    pool_.parallel_for(ceil_div(w.strips(), step), [&](int64_t part, int) {
      MatmulJob mine = job;
      mine.strip_begin = part * step;
      mine.strip_end = std::min(w.strips(), (part + 1) * step);
      product.kernel(&mine);
    });
  }
}

void Ops::add(Rows y, ConstRows x) {
  check_same_shape(y, x);
  for_rows(y.rows, y.columns, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) table_.add(y.row(i), x.row(i), y.columns);
  });
}

void Ops::add_scaled(Rows y, ConstRows x, float a) {
  check_same_shape(y, x);
  for_rows(y.rows, y.columns, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) table_.add_scaled(y.row(i), x.row(i), a, y.columns);
  });
}

void Ops::scale(Rows y, float a) {
  for_rows(y.rows, y.columns, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) table_.scale(y.row(i), a, y.columns);
  });
}

void Ops::silu_mul(Rows y, ConstRows gate, ConstRows up) {
  check_same_shape(y, gate);
  check_same_shape(y, up);
  for_rows(y.rows, y.columns, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      table_.silu_mul(y.row(i), gate.row(i), up.row(i), y.columns);
    }
  });
}

void Ops::rope(Rows x, const RopeTable& table, std::span<const int32_t> positions) {
  const int64_t half = table.half;
  CHECK(half > 0 && x.columns % (2 * half) == 0, "{} columns of heads of {}", x.columns, 2 * half);
  CHECK(std::ssize(positions) == x.rows && table.cos.size() == table.sin.size());
  for_rows(x.rows, x.columns, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = positions[i] * half;
      CHECK(at >= 0 && at + half <= std::ssize(table.cos), "position {}", positions[i]);
      for (float* head = x.row(i); head < x.row(i) + x.columns; head += 2 * half) {
        table_.rope(head, table.cos.data() + at, table.sin.data() + at, half);
      }
    }
  });
}

void Ops::store_kv(const KvView& view, std::span<const SequenceRows> sequences, ConstRows k,
                   ConstRows v) {
  const KvLayout& layout = view.layout;
  const int64_t d = layout.head_dim;
  CHECK(k.rows == v.rows && k.columns == layout.kv_heads * d && v.columns == k.columns);
  CHECK(d <= kHeadDimMax, "head_dim={}", d);
  int64_t rows = 0;
  for (const SequenceRows& s : sequences) {
    check_sequence(s, view, k.rows);
    rows += s.rows;
  }
  const FlushDenormals flush;
  const auto store = [&](int64_t head, int) {
    for (const SequenceRows& s : sequences) {
      for (int64_t i = 0; i < s.rows; ++i) {
        const int64_t position = s.first_position + i;
        const int64_t id = s.blocks[position / kBlockPositions];
        CHECK(id >= 0, "no block for position {}", position);
        store_head(table_, view, view.base + id * view.block_stride, position % kBlockPositions,
                   head, k.row(s.first_row + i) + head * d, v.row(s.first_row + i) + head * d);
      }
    }
  };
  // A key is a column of its block: every number of it waits for a line of its own.
  if (rows > 1) {
    pool_.parallel_for(layout.kv_heads, store);
  } else {
    for (int64_t head = 0; head < layout.kv_heads; ++head) store(head, 0);
  }
}

void Ops::attention_item(Rows out, ConstRows q, const KvView& view,
                         const AttentionOptions& options, const AttentionItem& item,
                         float* scratch) {
  const KvLayout& layout = view.layout;
  const int64_t d = layout.head_dim;
  const int32_t group = options.heads / layout.kv_heads;
  void (*const kernels[])(const AttentionJob*) = {table_.attention_f32, table_.attention_f16,
                                                  table_.attention_q8};
  const auto kernel = kernels[static_cast<int>(layout.type)];
  AttentionJob job{};
  job.cache = view.base;
  job.block_stride = view.block_stride;
  job.k_offset = item.kv_head * layout.key_bytes();
  job.v_offset = layout.kv_heads * layout.key_bytes() + item.kv_head * layout.value_bytes();
  job.head_dim = layout.head_dim;
  job.v_dim = static_cast<int32_t>(layout.v_dim());
  job.window = options.window;
  job.scale = options.scale;
  job.scratch = scratch;
  job.sequences = item.sequences;
  job.shared = static_cast<int32_t>(item.shared);
  const auto run = [&](int32_t s) {
    job.pairs_until[s] = job.pairs;
    if (s + 1 == item.sequences && job.pairs > 0) kernel(&job);
  };
  for (int32_t s = 0; s < item.sequences; ++s) {
    const SequenceRows& sequence = item.sequence[s];
    job.blocks[s] = sequence.blocks.data();
    const int64_t end = item.sequences == 1 ? item.first + item.rows : sequence.rows;
    for (int64_t i = item.first; i < end; ++i) {
      for (int32_t g = 0; g < group; ++g) {
        const int64_t column = (int64_t{item.kv_head} * group + g) * d;
        job.q[job.pairs] = q.row(sequence.first_row + i) + column;
        job.out[job.pairs] = out.row(sequence.first_row + i) + column;
        job.position[job.pairs] = static_cast<int32_t>(sequence.first_position + i);
        if (++job.pairs < kPairsMax || item.sequences > 1) continue;
        run(s);  // a row may have more heads than one job takes
        job.pairs = 0;
      }
    }
    run(s);
  }
}

// How many sequences from the front one item takes, and which positions they share. Sequences of a
// few rows (they decode) are taken together: what several share, because their texts begin in the
// same blocks, is then read once, and while one is computed the next one's blocks are asked for.
// Those that share and those that do not are not mixed. No bit depends on any of this.
std::pair<int32_t, int64_t> Ops::attention_together(std::span<const SequenceRows> sequences,
                                                    int64_t rows_max) {
  int64_t rows = sequences[0].rows;
  int64_t positions = 0;
  size_t count = 1;
  for (; count < sequences.size(); ++count) {
    const SequenceRows& next = sequences[count];
    rows += next.rows;
    if (rows > rows_max) break;
    const int64_t common = shared_positions(sequences[count - 1], next);
    const int64_t most = count == 1 ? common : std::min(common, positions);
    if (count > 1 && (common > 0) != (positions > 0)) {
      if (common > 0) --count;  // the last one shares with what follows
      break;
    }
    positions = most;
  }
  return {static_cast<int32_t>(count), positions};
}

void Ops::attention_items(std::span<const SequenceRows> sequences, const KvLayout& layout,
                          const AttentionOptions& options) {
  const int64_t rows_max = std::max<int64_t>(1, kPairsMax / (options.heads / layout.kv_heads));
  items_.clear();
  int64_t all = 0;
  for (const SequenceRows& s : sequences) all += s.rows;
  // Every thread has something to do.
  const int64_t together_max = std::min(rows_max, all * layout.kv_heads / (2 * pool_.threads()));
  for (size_t i = 0; i < sequences.size();) {
    const SequenceRows& s = sequences[i];
    const auto [count, shared] = attention_together(sequences.subspan(i), together_max);
    i += static_cast<size_t>(count);
    if (count > 1) {
      for (int32_t h = 0; h < layout.kv_heads; ++h) {
        items_.push_back({.sequence = &s, .kv_head = h, .sequences = count, .shared = shared});
      }
      continue;
    }
    // the last rows see most: they come first, so that no thread is left with a long one
    for (int64_t end = s.rows; end > 0; end -= std::min(end, rows_max)) {
      const int64_t first = std::max<int64_t>(0, end - rows_max);
      for (int32_t h = 0; h < layout.kv_heads; ++h) items_.push_back({&s, first, end - first, h});
    }
  }
}

void Ops::attention(Rows out, ConstRows q, const KvView& view,
                    std::span<const SequenceRows> sequences, const AttentionOptions& options) {
  const KvLayout& layout = view.layout;
  CHECK(layout.kv_heads > 0 && layout.head_dim > 0 && layout.head_dim <= kHeadDimMax);
  CHECK(options.heads > 0 && options.heads % layout.kv_heads == 0 && options.window >= 0);
  check_same_shape(out, q);
  CHECK(q.columns == int64_t{options.heads} * layout.head_dim);
  for (const SequenceRows& s : sequences) check_sequence(s, view, q.rows);
  attention_items(sequences, layout, options);
  const FlushDenormals flush;
  const int64_t floats = kPairsMax * (3 * layout.v_dim() + 16 + kSpan) + 32 * layout.v_dim();
  for (Buffer& scratch : attention_scratch_) {
    scratch.reserve(static_cast<size_t>(floats) * sizeof(float));
  }
  pool_.parallel_for(std::ssize(items_), [&](int64_t part, int thread) {
    attention_item(out, q, view, options, items_[part],
                   reinterpret_cast<float*>(attention_scratch_[thread].data()));
  });
}

int64_t Ops::argmax(std::span<const float> x) {
  CHECK(!x.empty());
  return table_.argmax(x.data(), std::ssize(x));
}

float Ops::softmax(std::span<float> probabilities, std::span<const float> logits, float scale) {
  CHECK(!logits.empty() && probabilities.size() == logits.size());
  const FlushDenormals flush;
  const int64_t n = std::ssize(logits);
  float most = 0;
  const float sum = table_.exp_scaled(probabilities.data(), logits.data(), scale, n, &most);
  table_.scale(probabilities.data(), 1.0f / sum, n);
  float log_sum = sum;
  table_.log(&log_sum, &log_sum, 1);
  return __builtin_fmaf(scale, most, log_sum);
}

void Ops::exp(std::span<float> y, std::span<const float> x) {
  CHECK(y.size() == x.size());
  const FlushDenormals flush;
  table_.exp(y.data(), x.data(), std::ssize(x));
}

void Ops::log(std::span<float> y, std::span<const float> x) {
  CHECK(y.size() == x.size());
  const FlushDenormals flush;
  table_.log(y.data(), x.data(), std::ssize(x));
}

}  // namespace weft::tensor
