// SPDX-License-Identifier: Apache-2.0
//
// The workflow format as a JSON Schema (2020-12), for editors and other programs that write
// documents: `weft validate --schema`, GET /workflow.schema.json. Made from the catalog of step
// types, so that a type or a parameter never stands in one and not in the other.
//
// It takes every document that the loader takes, and refuses wrong keys, words, types and missing
// parts. What needs more than one place of a document (names in expressions, cycles, ids twice),
// only the loader finds.
#pragma once

#include "base/json.h"

namespace weft::workflow {

json::Object document_schema();

}  // namespace weft::workflow
