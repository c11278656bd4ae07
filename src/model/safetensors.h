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
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/files.h"
#include "model/stored_tensor.h"

namespace weft::model {

// The tensors of one file, in ascending order of their data. `where` names the file in messages.
// Views point into `file`. E0210: anything the format forbids.
Result<std::vector<StoredTensor>> parse_safetensors(std::string_view file, std::string_view where);

// All weights of a model: model.safetensors, the shards that model.safetensors.index.json lists, or
// a GGUF file with its tensors under their Hugging Face names.
// Views point into the ModelFiles, which must outlive it. Immutable; safe from every thread.
class Checkpoint {
 public:
  // E0210, E0220 malformed files, E0213 no weights, E0020 unreadable.
  static Result<Checkpoint> open(ModelFiles& files);

  // Of tensors whose bytes outlive it, e.g. views into memory; names are distinct.
  static Checkpoint of(std::vector<StoredTensor> tensors);

  // nullptr if there is no such tensor.
  const StoredTensor* find(std::string_view name) const;
  const std::vector<StoredTensor>& tensors() const { return tensors_; }  // sorted by name

  // SHA-256 over all files in name order, in hex: the identity of the weights. Reads every byte.
  std::string sha256() const;
  size_t bytes() const;  // of all files
  // Which files these are, with sizes and times; empty if they are not on disk.
  std::string identity() const;
  // The tensor's mapped pages are not needed soon.
  void release(const StoredTensor& tensor) const;

 private:
  std::vector<std::string_view> files_;
  std::vector<std::string> paths_;  // of the files, if they are mapped
  Status index(std::string_view where);  // sorts by name
  std::vector<StoredTensor> tensors_;
  std::vector<std::shared_ptr<const std::string>> owned_;  // bytes that lie in no file
};

}  // namespace weft::model
