// SPDX-License-Identifier: Apache-2.0
//
// A directory of its own for the store of a command whose runs nobody keeps: an evaluation, a dry
// run. Only this user may enter it, and it is gone with its object.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/error.h"

namespace weft::cli {

class TemporaryDirectory {
 public:
  // E0022.
  static Result<std::unique_ptr<TemporaryDirectory>> create();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  explicit TemporaryDirectory(std::string path) : path_(std::move(path)) {}
  const std::string path_;
};

}  // namespace weft::cli
