// SPDX-License-Identifier: Apache-2.0
#include "store/sealer.h"

#include "base/strings.h"

namespace weft::store {

Result<std::string> opened(Db& db, const Place& place, std::string_view stored) {
  if (!is_sealed(stored)) return std::string(stored);  // as it was before the store had a key
  if (Sealer* const sealer = db.sealer()) return sealer->open(place, stored);
  return make_error("E0508",
                    fmt::format("{} of {} is sealed, and this process has no master key",
                                place.column, quoted(place.key[0])),
                    "--master-key file:PATH, or `encryption` in weft.yaml");
}

}  // namespace weft::store
