// SPDX-License-Identifier: Apache-2.0
//
// The eight documents of the draft 2020-12 metaschema, so that schemas may refer to it and
// schemas can be checked against it without a network. Parsed at the first call.
#pragma once

#include "schema/schema.h"

namespace weft::schema {

inline constexpr std::string_view kDraft202012 = "https://json-schema.org/draft/2020-12/schema";

const Remotes& metaschemas();

}  // namespace weft::schema
