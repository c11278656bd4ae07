// SPDX-License-Identifier: Apache-2.0
//
// All weights of a model, whatever files they came in: model.safetensors, the shards that
// model.safetensors.index.json lists, or a GGUF file with its tensors under their Hugging Face
// names. The one idea: who binds weights asks for a name and gets a view; the formats are others'
// business (safetensors.h, gguf_model.h). It copies nothing but what a format makes necessary.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/files.h"
#include "model/stored_tensor.h"

namespace weft::model {

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
  // Which files these bytes are, with sizes and times as they were when they were opened; empty if
  // they are not on disk.
  std::string identity() const;
  // The tensor's mapped pages are not needed soon.
  void release(const StoredTensor& tensor) const;

 private:
  std::vector<std::string_view> files_;
  std::vector<std::string> identities_;  // of the files; each empty if it is not on disk
  bool mapped_ = false;
  Status index(std::string_view where);  // sorts by name
  std::vector<StoredTensor> tensors_;
  std::vector<std::shared_ptr<const std::string>> owned_;  // bytes that lie in no file
};

}  // namespace weft::model
