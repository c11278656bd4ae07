// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <cstdio>
#include <cstdlib>

namespace weft {

std::string Error::text() const {
  std::string out = code.empty() ? message : code + " " + message;
  if (!hint.empty()) out += ". hint: " + hint;
  for (const Error* below = cause.get(); below != nullptr; below = below->cause.get()) {
    out += "\n  because: " + below->message;
    if (!below->hint.empty()) out += ". hint: " + below->hint;
  }
  return out;
}

Error in_context(Error error, std::string_view place) {
  error.message = fmt::format("{}: {}", place, error.message);
  return error;
}

void check_failed(const char* condition, std::string_view detail, std::source_location where) {
  std::fprintf(stderr, "%s:%u: check failed: %s%s%.*s\n", where.file_name(),
               static_cast<unsigned>(where.line()), condition, detail.empty() ? "" : ": ",
               static_cast<int>(detail.size()), detail.data());
  std::abort();
}

}  // namespace weft
