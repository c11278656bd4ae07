// SPDX-License-Identifier: Apache-2.0
//
// Safetensors: tensors by name in a mapped file. The one idea: nothing of the header is believed
// before it is checked against the bytes that are there, so that a view handed out is always
// inside its file and has exactly the size its shape and type promise.
//
//   | 8 bytes: length N of the header, little endian | N bytes: JSON | data … end of file |
//   {"__metadata__": {…}, "NAME": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}, …}
//
// Offsets count from the end of the header; tensors cover the data without gap or overlap. Large
// checkpoints are several such files and model.safetensors.index.json, whose "weight_map" gives
// the file of each tensor.
//
// It converts nothing and copies nothing: data may start at any address, so readers use memcpy.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/files.h"

namespace weft::model {

enum class DType { kF32, kF16, kBF16, kI8, kOther };

// A tensor in a mapped file. Valid as long as the Checkpoint it came from.
struct StoredTensor {
  std::string name;
  DType dtype = DType::kOther;
  std::string dtype_name;      // as written, e.g. "F8_E4M3"; for messages
  std::vector<int64_t> shape;  // row-major; empty = one number
  std::string_view bytes;      // elements x size of dtype
};

// "(256, 64)".
std::string shape_text(const std::vector<int64_t>& shape);

// The tensors of one file, in ascending order of their data. `where` names the file in messages.
// Views point into `file`. E0210: anything the format forbids.
Result<std::vector<StoredTensor>> parse_safetensors(std::string_view file, std::string_view where);

// All weights of a model: model.safetensors, or the shards that model.safetensors.index.json lists.
// Views point into the ModelFiles, which must outlive it. Immutable; safe from every thread.
class Checkpoint {
 public:
  // E0210 malformed files, E0213 no weights, E0020 unreadable.
  static Result<Checkpoint> open(ModelFiles& files);

  // nullptr if there is no such tensor.
  const StoredTensor* find(std::string_view name) const;
  const std::vector<StoredTensor>& tensors() const { return tensors_; }  // sorted by name

  // SHA-256 over all files in name order, in hex: the identity of the weights. Reads every byte.
  std::string sha256() const;
  size_t bytes() const;  // of all files

 private:
  std::vector<std::string_view> files_;
  std::vector<StoredTensor> tensors_;
};

}  // namespace weft::model
