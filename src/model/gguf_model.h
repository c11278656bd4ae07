// SPDX-License-Identifier: Apache-2.0
//
// A GGUF file seen as a directory in Hugging Face layout. The one idea: metadata is translated into
// the texts of config.json, generation_config.json, tokenizer.json and tokenizer_config.json, and
// tensors get their Hugging Face names, shapes and row order; everything behind it (configuration,
// families, tokenizer, templates, export) is the same code for both, and checks the same things.
//
//   gguf_config.cc     metadata -> config.json, generation_config.json
//   gguf_tokenizer.cc  metadata -> tokenizer.json, tokenizer_config.json
//   gguf_tensors.cc    names, fused and split tensors, the interleaved q and k of Granite
//
// Architectures: qwen3 qwen3moe exaone exaone4 granite granitemoe granitehybrid. Others are
// refused by name. Immutable after open().
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "model/gguf.h"

namespace weft::model {

// Tensors under Hugging Face names; `owned` holds the bytes of the few that had to be computed.
struct GgufTensors {
  std::vector<StoredTensor> tensors;
  std::vector<std::shared_ptr<const std::string>> owned;
};

class GgufModel {
 public:
  // E0020 unreadable; E0220 no valid GGUF file, one part of several, an unknown architecture.
  static Result<GgufModel> open(const std::string& path);
  // From bytes that outlive the object; `where` names them in messages.
  static Result<GgufModel> parse(std::string_view bytes, std::string where);

  const GgufFile& file() const { return file_; }
  std::string_view bytes() const { return bytes_; }
  const std::string& where() const { return where_; }
  bool is_mapped() const { return mapped_ != nullptr; }
  // MappedFile::identity(); empty: not a file's.
  std::string identity() const { return is_mapped() ? mapped_->identity() : std::string(); }
  const std::string& architecture() const { return architecture_; }

  // Texts of the virtual directory. text() of a name that has() knows: E0220 if the metadata lacks
  // what belongs there or contradicts the tensors.
  bool has(std::string_view name) const;
  Result<std::string> text(std::string_view name) const;

  Result<GgufTensors> tensors() const;

 private:
  std::shared_ptr<const MappedFile> mapped_;
  std::string_view bytes_;
  std::string where_;
  std::string architecture_;
  GgufFile file_;
};

// Metadata with errors that name key, expectation and finding. `key` without the architecture in
// front where `own` is said.
class GgufMetadata {
 public:
  explicit GgufMetadata(const GgufModel& model) : model_(model) {}

  std::string own(std::string_view key) const;  // "qwen3.KEY"
  bool has(const std::string& key) const { return model_.file().find(key) != nullptr; }
  // From `low` to `high`. E0220 missing (unless `absent`), another type, out of range.
  Result<int64_t> integer(const std::string& key, int64_t low, int64_t high,
                          const int64_t* absent = nullptr) const;
  Result<double> number(const std::string& key, const double* absent = nullptr) const;
  Result<std::string_view> string(const std::string& key) const;
  Result<bool> boolean(const std::string& key, bool absent) const;
  // One number for all layers, or an array of one for each.
  Result<std::vector<int64_t>> by_layer(const std::string& key, size_t layers) const;

  // A tensor by its name in the file, or nullptr.
  const StoredTensor* tensor(std::string_view name) const;
  Error missing(const std::string& key) const;
  Error wrong(const std::string& key, std::string_view expected, std::string_view found) const;

 private:
  Result<const GgufValue*> scalar(const std::string& key, std::string_view expected) const;
  const GgufModel& model_;
};

// The parts of text() and tensors(), one file each.
Result<std::string> gguf_config_json(const GgufModel& model);
std::string gguf_generation_json(const GgufModel& model);
Result<std::string> gguf_tokenizer_json(const GgufModel& model);
Result<std::string> gguf_tokenizer_config_json(const GgufModel& model);
Result<GgufTensors> gguf_tensors(const GgufModel& model);
// Layers, from the metadata and checked against a limit of sanity.
Result<size_t> gguf_layers(const GgufMetadata& metadata);
// Size of an attention head.
Result<int64_t> gguf_head_dim(const GgufMetadata& metadata);

}  // namespace weft::model
