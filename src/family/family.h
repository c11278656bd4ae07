// SPDX-License-Identifier: Apache-2.0
//
// What the runtime sees of a model: a batch of tokens goes in, hidden rows come out, chosen rows
// become logits. Every family is one class in its own file whose forward() reads as the paper;
// there is no flag of one family in the code of another.
//
// Tensors are asked for under the names that Hugging Face checkpoints of the family have; a reader
// of another format presents its tensors under these.
//
// A row's result depends on the tokens of its own sequence only: not on the other rows, the cut
// into batches, the threads or the place of its cache blocks (tensor/ops.h keeps this promise).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/threads.h"
#include "model/config.h"
#include "model/checkpoint.h"
#include "model/weights.h"
#include "tensor/kv_view.h"
#include "tensor/ops.h"

namespace weft::family {

// Rows of one forward pass. Rows of a sequence stand together in ascending order of position;
// all positions before a row's own are in the cache or earlier in the batch.
struct Batch {
  std::span<const int32_t> tokens;                      // (rows): rows of the embedding
  std::span<const int32_t> positions;                   // (rows)
  std::span<const tensor::SequenceRows> sequences;      // cover all rows
  // A sequence: its recurrent state, (state_floats()); may be empty if that is 0. A sequence whose
  // first row is position 0 finds zeros there, whatever the memory holds.
  std::span<float* const> states = {};
  int64_t rows() const { return static_cast<int64_t>(tokens.size()); }
};

// The cache of all layers: a block holds `layers` layer parts one behind the other.
struct KvBlocks {
  tensor::KvLayout layout;
  int layers = 0;
  uint8_t* base = nullptr;
  int64_t block_bytes() const { return layout.block_bytes() * layers; }
  tensor::KvView layer(int index) const {
    return {layout, base + index * layout.block_bytes(), block_bytes()};
  }
};

class Family {
 public:
  virtual ~Family() = default;

  // Layout and layers of the cache, as floats: whoever owns the cache chooses its type. `base` is
  // null.
  virtual KvBlocks kv_shape() const = 0;
  virtual int hidden_size() const = 0;
  virtual int vocab_size() const = 0;
  // Floats that a sequence carries from token to token besides the cache; 0 for pure attention.
  // They are the state after the last row computed, and cannot be taken back to an earlier one.
  virtual int64_t state_floats() const { return 0; }
  // Bytes that one decoded token reads: all matrices once, the looked-up embedding not.
  virtual size_t streamed_bytes() const = 0;

  // Writes the batch's keys and values into the cache, advances the states and leaves hidden
  // (rows, hidden_size) = the residual stream after the final norm. One call at a time.
  virtual void forward(tensor::Ops& ops, const Batch& batch, const KvBlocks& kv,
                       tensor::Rows hidden) = 0;
  // logits (rows, vocab_size) of rows that forward() returned, gathered by the caller.
  virtual void head(tensor::Ops& ops, tensor::ConstRows hidden, tensor::Rows logits) = 0;
};

// The model of config.family with its weights. E0212 as model/weights.
Result<std::unique_ptr<Family>> make_family(const model::Config& config,
                                            const model::Checkpoint& checkpoint,
                                            model::Precision precision, ThreadPool& pool,
                                            model::PackedCache* cache = nullptr);

// Whether make_family() would find every tensor in the shape that config says, and no other. Reads
// vectors, but no matrix: whether these hold NaN is seen when they are packed. E0212.
Status check_weights(const model::Config& config, const model::Checkpoint& checkpoint);

}  // namespace weft::family
