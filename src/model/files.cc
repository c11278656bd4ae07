// SPDX-License-Identifier: Apache-2.0
#include "model/files.h"

#include <fmt/format.h>

#include "base/strings.h"

namespace weft::model {

ModelFiles::ModelFiles(std::vector<EmbeddedFile> files, std::string where)
    : where_(std::move(where)), embedded_(true) {
  for (EmbeddedFile& file : files) embedded_files_.emplace(std::move(file.name), file.bytes);
}

bool ModelFiles::has(std::string_view name) const {
  if (embedded_) return embedded_files_.find(name) != embedded_files_.end();
  return file_exists(path_of(name));
}

Result<std::string_view> ModelFiles::read(std::string_view name) {
  if (!has(name)) {
    return make_error("E0213", fmt::format("{}: no {} is there", quoted(where_, 200), name),
                      "give a directory in Hugging Face layout: config.json, tokenizer.json, "
                      "safetensors weights");
  }
  if (embedded_) return embedded_files_.find(name)->second;
  const auto at = mapped_.find(name);
  if (at != mapped_.end()) return at->second.bytes();
  MappedFile file = TRY(MappedFile::open(path_of(name)));
  return mapped_.emplace(std::string(name), std::move(file)).first->second.bytes();
}

std::string ModelFiles::path_of(std::string_view name) const {
  return fmt::format("{}/{}", where_, name);
}

}  // namespace weft::model
