// SPDX-License-Identifier: Apache-2.0
//
// Keeps a directory of cached files from filling the disk: what was not used for longest goes
// first. The one idea: a cached file is only a copy, so removing one costs time and never fails
// anybody; a process that has it open keeps it. "Used" is the time of the last change, which who
// reads a file sets anew (mark_used).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::model {

struct CachedFile {
  std::string path;
  uint64_t bytes = 0;
  int64_t used_ns = 0;  // wall clock
};

// Which to remove so that the rest has at most `bytes_max`; never `kept`.
std::vector<std::string> least_used(std::vector<CachedFile> files, uint64_t bytes_max,
                                    std::string_view kept);

// Removes files named *`suffix` until they leave at least as much of the disk free as they take;
// never `kept`. What cannot be read or removed is left.
void make_room(const std::string& directory, std::string_view suffix, std::string_view kept);

void mark_used(int file);

}  // namespace weft::model
