// SPDX-License-Identifier: Apache-2.0
//
// The files of one model by name: a directory in Hugging Face layout, or the files embedded in
// the program. Everything that reads a model reads through this, so that the embedded model needs
// no copy on disk and no second path through the loaders.
//
// Views stay valid as long as the object (moving it is fine). One thread at a time.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "model/embedded.h"

namespace weft::model {

class ModelFiles {
 public:
  explicit ModelFiles(std::string directory) : where_(std::move(directory)) {}
  // `where` names the model in messages, e.g. "weft-mini (embedded)".
  ModelFiles(std::vector<EmbeddedFile> files, std::string where);

  bool has(std::string_view name) const;
  // The bytes, mapped on first use. E0213 if a file is not there, E0020 if it cannot be read.
  Result<std::string_view> read(std::string_view name);
  // "DIRECTORY/NAME", for messages.
  std::string path_of(std::string_view name) const;
  const std::string& where() const { return where_; }

 private:
  std::string where_;
  bool embedded_ = false;
  std::map<std::string, std::string_view, std::less<>> embedded_files_;
  std::map<std::string, MappedFile, std::less<>> mapped_;
};

}  // namespace weft::model
