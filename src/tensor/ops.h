// SPDX-License-Identifier: Apache-2.0
//
// The dozen operations of a forward pass. A family's forward() is written in these and sees no
// thread, instruction set or weight layout. The one idea: deterministic by construction. A row's
// result has the same bits whatever batch it is in, whatever the number of threads, the chunking,
// the block table and the kernel table; nothing here calls libm, and denormals are zero.
//
// Weights of every type meet f32 activations; q8 and q4 weights meet activations quantised to int8
// in groups of 32 inside matmul, and in `fast` numerics bf16 weights meet bf16 activations.
// Not here: allocation of the KV cache, sampling, model formulas.
//
// Shapes are (rows, columns), C order; a view may have a longer stride (a slice of columns). All
// shape mistakes are our bugs: CHECK. One caller at a time; the spans must outlive the call only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "tensor/buffer.h"
#include "tensor/kv_view.h"
#include "tensor/matrix.h"
#include "tensor/numerics.h"
#include "tensor/recurrent.h"

namespace weft::tensor {

struct KernelTable;
struct MatmulJob;

// A view of rows of floats.
struct Rows {
  float* data = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t stride = 0;  // floats from a row to the next, >= columns

  Rows() = default;
  Rows(float* data_, int64_t rows_, int64_t columns_)
      : data(data_), rows(rows_), columns(columns_), stride(columns_) {}
  float* row(int64_t i) const { return data + i * stride; }
  // Columns [first, first + count) of the same rows.
  Rows slice(int64_t first, int64_t count) const;
  // Rows [first, first + count).
  Rows range(int64_t first, int64_t count) const;
};

struct ConstRows {
  const float* data = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t stride = 0;

  ConstRows() = default;
  ConstRows(const float* data_, int64_t rows_, int64_t columns_)
      : data(data_), rows(rows_), columns(columns_), stride(columns_) {}
  ConstRows(const Rows& r)  // NOLINT: a view that may be written may be read
      : data(r.data), rows(r.rows), columns(r.columns), stride(r.stride) {}
  const float* row(int64_t i) const { return data + i * stride; }
};

// cos and sin of every position, (positions, head_dim / 2) each, attention factor included.
struct RopeTable {
  std::span<const float> cos;
  std::span<const float> sin;
  int64_t half = 0;  // head_dim / 2
};

struct AttentionOptions {
  int32_t heads = 0;   // query heads, a multiple of the view's kv_heads
  float scale = 1.0f;  // times q . k
  int32_t window = 0;  // a token sees itself and window - 1 before it; 0: all before it
};

struct OpsOptions {
  int threads = 0;    // 0: usable_cores()
  std::string table;  // a name of tables.h; empty: the fastest
  Numerics numerics = Numerics::kPortable;
};

class Ops {
 public:
  // E0290: processor too old; E0291: no such table.
  static Result<std::unique_ptr<Ops>> create(const OpsOptions& options = {});
  Ops(const Ops&) = delete;
  Ops& operator=(const Ops&) = delete;

  int threads() const { return pool_.threads(); }
  std::string_view table_name() const;
  Numerics numerics() const { return numerics_; }
  // What multiplies bf16 weights in `fast`: "tdpbf16ps" (AMX), "vdpbf16ps" (AVX512_BF16), "fma".
  std::string_view bf16_unit() const;

  // y (tokens, columns) = rows `tokens` of w.
  void embed(Rows y, const Matrix& w, std::span<const int32_t> tokens);

  // y = weight * x / sqrt(mean(x^2) + eps), each row; weight (columns). In place allowed.
  void rms_norm(Rows y, ConstRows x, std::span<const float> weight, float eps);
  // The same for each head of each row, in place: x (rows, heads * d), weight (d).
  void rms_norm_heads(Rows x, std::span<const float> weight, float eps);

  // y (M, out) = x (M, in) w^T (+ bias (out)). M >= 0.
  void matmul(Rows y, ConstRows x, const Matrix& w, std::span<const float> bias = {});

  void add(Rows y, ConstRows x);                   // y += x
  void add_scaled(Rows y, ConstRows x, float a);   // y = fma(a, x, y)
  void scale(Rows y, float a);                     // y *= a
  void silu_mul(Rows y, ConstRows gate, ConstRows up);  // y = silu(gate) * up; y may be gate or up

  // Rotates every head of x (rows, heads * 2 half) in place, half split:
  // x'_i = x_i cos - x_{i+half} sin, x'_{i+half} = x_{i+half} cos + x_i sin. positions (rows).
  void rope(Rows x, const RopeTable& table, std::span<const int32_t> positions);

  // Writes keys and values (M, kv_heads * head_dim), rotated and normed as they shall be cached.
  void store_kv(const KvView& view, std::span<const SequenceRows> sequences, ConstRows k,
                ConstRows v);
  // out (M, heads * head_dim) = softmax(scale q k^T) v over what each row may see: its sequence's
  // positions up to its own, which store_kv has written before. Query head h reads KV head
  // h / (heads / kv_heads). Rows of no sequence are left untouched.
  void attention(Rows out, ConstRows q, const KvView& view,
                 std::span<const SequenceRows> sequences, const AttentionOptions& options);

  // --- recurrent layers (recurrent.h) ---
  // y (M, channels) = silu(bias + sum_j weight_j u_{t - taps + 1 + j}) along each sequence; the
  // view's convolution state is read and brought up to date. Not in place.
  void conv_silu(Rows y, ConstRows u, const Convolution& conv,
                 std::span<const SequenceRows> sequences, const StateView& states);
  // All (M, heads): step = clamp(softplus(dt + bias)), decay = exp(a step).
  void mamba_steps(Rows step, Rows decay, ConstRows dt, const MambaSteps& steps);
  // The recurrence of Mamba2 (Dao and Gu 2024) for every head h of group g, token by token:
  //   S_h = decay_h S_h + step_h x_h B_g^T,   y_h = S_h C_g + skip_h x_h
  // xbc (M, channels) = x of all heads, B of all groups, C of all groups; y (M, inner).
  void mamba_scan(Rows y, ConstRows xbc, ConstRows step, ConstRows decay,
                  std::span<const float> skip, const MambaShape& shape,
                  std::span<const SequenceRows> sequences, const StateView& states);

  // --- for samplers, on one row of logits ---
  int64_t argmax(std::span<const float> x);  // lowest index of the largest; NaN never wins
  // probabilities = softmax(scale * logits) (may be the same memory); returns
  // ln sum exp(scale * logits), so that scale * logit - result is a log probability. A logit of
  // -inf gets exactly 0.
  float softmax(std::span<float> probabilities, std::span<const float> logits, float scale = 1.0f);
  void exp(std::span<float> y, std::span<const float> x);  // at most 2 ulp, flushed below 2^-126
  void log(std::span<float> y, std::span<const float> x);  // at most 2 ulp

 private:
  Ops(const KernelTable& table, int threads, Numerics numerics);
  // Below this many floats a second thread costs more than it saves.
  static constexpr int64_t kSerialFloats = 16 * 1024;
  // How a matmul by weights of one type packs activations, and what multiplies them.
  struct Product {
    int64_t panel_tokens;
    int64_t token_bytes;  // of a packed token
    void (*pack)(const float* x, int64_t stride, int64_t m, int64_t k, uint8_t* panel);
    void (*kernel)(const MatmulJob* job);
  };
  Product product_of(const Matrix& w) const;
  // fn(begin, end) over ranges of rows that together are all of them.
  template <class Function>
  void for_rows(int64_t rows, int64_t columns, Function&& fn) {
    const FlushDenormals flush;
    if (rows * columns <= kSerialFloats || rows < 2) {
      fn(int64_t{0}, rows);
      return;
    }
    const int64_t step = kSerialFloats / 2 / (columns > 0 ? columns : 1) + 1;
    pool_.parallel_for((rows + step - 1) / step, [&](int64_t part, int) {
      fn(part * step, part * step + step < rows ? part * step + step : rows);
    });
  }
  // Work of attention that one thread does: one KV head, and a few rows of a sequence or all rows
  // of several, whose first `shared` positions lie in the same blocks.
  struct AttentionItem {
    const SequenceRows* sequence = nullptr;
    int64_t first = 0;  // of one sequence's rows
    int64_t rows = 0;
    int32_t kv_head = 0;
    int32_t sequences = 1;
    int64_t shared = 0;
  };
  static std::pair<int32_t, int64_t> attention_together(std::span<const SequenceRows> sequences,
                                                        int64_t rows_max);
  void attention_items(std::span<const SequenceRows> sequences, const KvLayout& layout,
                       const AttentionOptions& options);
  void attention_item(Rows out, ConstRows q, const KvView& view, const AttentionOptions& options,
                      const AttentionItem& item, float* scratch);

  const KernelTable& table_;
  Numerics numerics_;
  ThreadPool pool_;
  Buffer panels_;                         // packed activations of a matmul
  std::vector<AttentionItem> items_;      // of the attention that runs; kept for its memory
  std::vector<Buffer> attention_scratch_; // one a thread
  std::vector<float> zeros_;              // inputs of a convolution before the start
};

}  // namespace weft::tensor
