// SPDX-License-Identifier: Apache-2.0
//
// From tensors in files to matrices that the kernels stream: the binder looks a tensor up by
// name, checks its shape against what the configuration says, and packs it in the wanted
// precision. A family asks for its tensors one by one and then says finish(): what it has not
// asked for is an error, since a bias or norm left out silently gives plausible noise.
//
//   precision   stored F32 F16 BF16        stored quantised: weft_q8_g32, weft_q4_g32, GGUF
//   f32         widened, float32           dequantised, float32 arithmetic
//   native      kept, float32              int8 activations, and the codes kept:
//                                            q8   weft_q8_g32 Q8_0 Q5_0 IQ4_NL
//                                            q4   weft_q4_g32 Q4_1 Q4_0 (q4c), Q4_K with its
//                                                 scales rounded to half precision
//                                          all others quantised again to q8
//   q8, q4      quantised by groups of 32  kept where that is exact, else quantised again
//
// Tensors of different types that are to be one matrix meet in q8, or in f32 if all are floats.
// NaN and infinity are refused, wherever they are. Norms, biases and vectors are always float32.
// It knows no family and no tensor name.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "model/config.h"
#include "model/packed_cache.h"
#include "model/checkpoint.h"
#include "tensor/kv_view.h"
#include "tensor/matrix.h"

namespace weft::model {

enum class Precision { kF32, kNative, kQ8, kQ4 };
// "f32", "native", "q8", "q4"; E0214 for anything else.
Result<Precision> precision_of(std::string_view name);
std::string_view name_of(Precision precision);
// What the KV cache holds unless somebody says otherwise.
inline tensor::KvType default_kv_type(Precision precision) {
  return precision == Precision::kF32 ? tensor::KvType::kF32 : tensor::KvType::kF16;
}
// The matrix that a tensor of this type becomes.
tensor::WeightType packed_type(DType dtype, Precision precision);

// A part of a packed matrix: tensor `name` of shape (rows, columns of the whole); or, for experts
// stacked in one tensor, entry `index` of a tensor of shape (count, rows, columns).
struct MatrixPart {
  std::string name;
  int64_t rows = 0;
  int64_t index = 0;
  int64_t count = 0;  // 0: not stacked
};

class WeightBinder {
 public:
  // All arguments outlive the binder. With a cache, matrices are read from there or added to it.
  WeightBinder(const Checkpoint& checkpoint, const Config& config, Precision precision,
               ThreadPool& pool, PackedCache* cache = nullptr)
      : checkpoint_(checkpoint), config_(config), precision_(precision), pool_(pool),
        cache_(cache) {}

  // The tensors stacked by rows into one matrix (q, k and v need one pass over the activations
  // instead of three). E0212: missing, another shape, a type that is not supported.
  Result<tensor::Matrix> matrix(std::span<const MatrixPart> parts, int64_t columns);
  Result<tensor::Matrix> matrix(const std::string& name, int64_t rows, int64_t columns);
  // Kept as stored whatever the precision: for tables that are only looked up. Blocks of GGUF that
  // could not be kept exactly become f32 under f32.
  Result<tensor::Matrix> table(const std::string& name, int64_t rows, int64_t columns);
  // A vector, or a small tensor in C order, as floats. E0212 as above.
  Result<std::vector<float>> vector(const std::string& name, int64_t size);
  Result<std::vector<float>> tensor(const std::string& name, const std::vector<int64_t>& shape);

  // From now on names, shapes and types of matrices are checked, and what is returned is empty.
  void only_check() { only_checks_ = true; }

  // Some parts come under several names: which one do the files have?
  bool has(const std::string& name) const { return checkpoint_.find(name) != nullptr; }
  // The tensor is known and not needed.
  void ignore(const std::string& name) { used_.insert(name); }
  // E0212 for the first tensor of the files that nobody asked for.
  Status finish() const;

 private:
  struct Source {
    const StoredTensor* values = nullptr;
    const StoredTensor* scales = nullptr;   // of int8 values and 4-bit codes
    const StoredTensor* offsets = nullptr;  // of 4-bit codes
    int64_t rows = 0;
    int64_t first = 0;  // row of the tensor where it begins
  };
  Result<const StoredTensor*> find(const std::string& name, const std::vector<int64_t>& shape);
  Result<Source> source(const MatrixPart& part, int64_t columns, bool as_table);
  tensor::WeightType common_type(std::span<const Source> sources, Precision precision) const;
  Result<tensor::Matrix> pack(std::span<const MatrixPart> parts, int64_t columns,
                              Precision precision, bool as_table = false);

  const Checkpoint& checkpoint_;
  const Config& config_;
  Precision precision_;
  ThreadPool& pool_;
  PackedCache* cache_;
  bool only_checks_ = false;
  tensor::Arena arena_;  // all matrices side by side
  std::set<std::string, std::less<>> used_;
};

}  // namespace weft::model
