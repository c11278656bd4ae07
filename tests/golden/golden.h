// SPDX-License-Identifier: Apache-2.0
//
// Where tests find the answers of reference implementations. Those of third-party tokenizers and
// templates stay outside the repository, in the directory that WEFT_GOLDEN names; a test that needs
// them skips visibly without. Our own small ones lie beside this file and are always there.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/file.h"

namespace weft::golden {

inline constexpr const char* kAbsent = "SKIPPED: golden data not found (set WEFT_GOLDEN)";

// The tokenizers and templates of real families: a folder a family, and common/.
inline std::string tokenizers_directory() {
  const char* given = std::getenv("WEFT_GOLDEN");
  const std::string directory = given != nullptr ? given : WEFT_SOURCE_DIR "/../shared/golden";
  return directory + "/tokenizers";
}

// The content of a .gz file.
inline std::string unpacked(const std::string& path) {
  std::string bytes;
  FILE* pipe = popen(("gzip -dc '" + path + "'").c_str(), "r");
  if (pipe == nullptr) return bytes;
  char buffer[1 << 16];
  while (const size_t count = fread(buffer, 1, sizeof buffer, pipe)) bytes.append(buffer, count);
  EXPECT_EQ(pclose(pipe), 0) << path;
  return bytes;
}

}  // namespace weft::golden

// A macro, because GTEST_SKIP returns from the test itself.
#define WEFT_SKIP_WITHOUT(path)                                       \
  if (!weft::file_exists(path)) GTEST_SKIP() << weft::golden::kAbsent
