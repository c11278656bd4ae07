// SPDX-License-Identifier: Apache-2.0
// Any bytes as a file of checkpoints, as the text of a key's scope and as an instant: accepted or
// refused, never more states than lines could hold.
// covers: src/security/checkpoint.cc src/security/permission.cc
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "security/audit.h"
#include "security/checkpoint.h"
#include "security/permission.h"
#include "store/db.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto read = weft::security::read_checkpoints(text, "");
  if (read.ok()) {
    CHECK(read->lines <= static_cast<int64_t>(size));
  } else {
    CHECK(read.error().code == "E0766" && !read.error().message.empty());
  }
  if (const auto scope = weft::security::parse_scope(text); scope.ok()) {
    const auto again = weft::security::parse_scope(weft::security::text(*scope));
    CHECK(again.ok() && again->action == scope->action && again->resource == scope->resource);
  }
  (void)weft::security::instant_of(text);
  return 0;
}
