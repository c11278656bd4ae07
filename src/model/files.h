// SPDX-License-Identifier: Apache-2.0
//
// The files of one model by name: a directory in Hugging Face layout, a GGUF file (whose metadata
// is shown as such files, model/gguf_model.h), or the files embedded in the program. Everything
// that reads a model reads through this, so that no kind needs a second path through the loaders.
//
// Views stay valid as long as the object (moving it is fine). One thread at a time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "model/embedded.h"

namespace weft::model {

class GgufModel;

class ModelFiles {
 public:
  // A directory or a GGUF file. E0213 if there is neither, E0020, E0220.
  static Result<ModelFiles> open(const std::string& path);
  explicit ModelFiles(std::string directory) : where_(std::move(directory)) {}
  // `where` names the model in messages, e.g. "weft-mini (embedded)".
  ModelFiles(std::vector<EmbeddedFile> files, std::string where);

  bool has(std::string_view name) const;
  // The bytes, mapped on first use. E0213 if a file is not there, E0020 if it cannot be read.
  Result<std::string_view> read(std::string_view name);
  // Which file on disk these bytes are (MappedFile::identity()), once they have been read; empty if
  // they are no file's. Of a GGUF file itself whatever the name.
  std::string identity_of(std::string_view name) const;
  // "DIRECTORY/NAME", for messages.
  std::string path_of(std::string_view name) const;
  const std::string& where() const { return where_; }
  // Are the bytes of weights mapped from files, so that pages can be given back?
  bool is_mapped() const;
  // The GGUF file behind it, or nullptr.
  const GgufModel* gguf() const { return gguf_.get(); }

 private:
  std::string where_;
  bool embedded_ = false;
  std::shared_ptr<const GgufModel> gguf_;
  std::map<std::string, std::string, std::less<>> texts_;  // of the GGUF file, made on first use
  std::map<std::string, std::string_view, std::less<>> embedded_files_;
  std::map<std::string, MappedFile, std::less<>> mapped_;
};

}  // namespace weft::model
