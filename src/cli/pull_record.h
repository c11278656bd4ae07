// SPDX-License-Identifier: Apache-2.0
//
// What `weft models pull` knows about the files of a directory: as what each was verified, kept in
// `.weft-pull.json` beside them.
//
//   {"files": {"model.safetensors": {"identity": "sha256:<hex>", "commit": "<hex>",
//                                    "seen": "<path> <bytes> <time of change>"}}}
//
// A file that has not changed since then need not be hashed again; one that has, or of which the
// server names another identity, is. A record that is missing or damaged vouches for nothing.
// Nothing here asks the server. One thread at a time.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.h"

namespace weft::cli {

class PullRecord {
 public:
  // Of this directory; empty if there is none that can be read.
  static PullRecord load(const std::string& directory);

  bool knows(const std::string& name) const { return entries_.contains(name); }
  // Whether the file was verified as `identity` and has not changed since.
  bool vouches(const std::string& name, const std::string& identity) const;
  // The file as it lies there now is `identity`, of this commit. E0020.
  Status verified(const std::string& name, const std::string& identity, const std::string& commit);
  // Files of which the record knows that another commit brought them, that still lie there.
  std::vector<std::string> of_other_commits(const std::string& commit) const;
  Status save() const;  // E0022

 private:
  struct Entry {
    std::string identity;
    std::string commit;
    std::string seen;
  };
  explicit PullRecord(std::string directory) : directory_(std::move(directory)) {}
  std::string path_of(const std::string& name) const { return directory_ + "/" + name; }
  std::string directory_;
  std::map<std::string, Entry> entries_;
};

}  // namespace weft::cli
