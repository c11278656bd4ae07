// SPDX-License-Identifier: Apache-2.0
#include "model/files.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/strings.h"
#include "model/gguf_model.h"

namespace weft::model {

ModelFiles::ModelFiles(std::vector<EmbeddedFile> files, std::string where)
    : where_(std::move(where)), embedded_(true) {
  for (EmbeddedFile& file : files) embedded_files_.emplace(std::move(file.name), file.bytes);
}

Result<ModelFiles> ModelFiles::open(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) {
    if (std::filesystem::is_directory(path, ignored)) return ModelFiles(path);
    return make_error("E0213", fmt::format("there is no model at {}", quoted(path, 200)),
                      "give a directory in Hugging Face layout or a .gguf file");
  }
  ModelFiles out(path);
  out.gguf_ = std::make_shared<const GgufModel>(TRY(GgufModel::open(path)));
  return out;
}

bool ModelFiles::has(std::string_view name) const {
  if (embedded_) return embedded_files_.find(name) != embedded_files_.end();
  if (gguf_ != nullptr) return gguf_->has(name);
  return file_exists(path_of(name));
}

Result<std::string_view> ModelFiles::read(std::string_view name) {
  if (!has(name)) {
    return make_error("E0213", fmt::format("{}: no {} is there", quoted(where_, 200), name),
                      "give a directory in Hugging Face layout: config.json, tokenizer.json, "
                      "safetensors weights");
  }
  if (embedded_) return embedded_files_.find(name)->second;
  if (gguf_ != nullptr) {
    auto made = texts_.find(name);
    if (made == texts_.end()) {
      made = texts_.emplace(std::string(name), TRY(gguf_->text(name))).first;
    }
    return std::string_view(made->second);
  }
  const auto at = mapped_.find(name);
  if (at != mapped_.end()) return at->second.bytes();
  MappedFile file = TRY(MappedFile::open(path_of(name)));
  return mapped_.emplace(std::string(name), std::move(file)).first->second.bytes();
}

std::string ModelFiles::identity_of(std::string_view name) const {
  if (gguf_ != nullptr) return gguf_->identity();
  const auto at = mapped_.find(name);
  return at == mapped_.end() ? std::string() : at->second.identity();
}

bool ModelFiles::is_mapped() const {
  return !embedded_ && (gguf_ == nullptr || gguf_->is_mapped());
}

std::string ModelFiles::path_of(std::string_view name) const {
  return fmt::format("{}/{}", where_, name);
}

}  // namespace weft::model
