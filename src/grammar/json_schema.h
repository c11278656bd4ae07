// SPDX-License-Identifier: Apache-2.0
//
// JSON Schema to rules. Each conjunction of schemas (see conjunction.h) becomes one rule, made
// once, so recursive schemas become recursive rules. What is written is canonical JSON: members in
// the order of the schema, no white space but what the spacing says, numbers of bounded size.
//
// Every text of the grammar is a value that the validator accepts. The reverse holds for canonical
// texts of values, with `closed_objects` and `formats` off; docs/structured-output.md has the
// table of keywords. Errors: E0320 a keyword cannot be enforced, E0321 a pattern, E0323 too large,
// E0324 nothing fits.
#pragma once

#include "grammar/conjunction.h"
#include "grammar/rules.h"

namespace weft::grammar {

// Of the whole schema, or of a part of it. `schema` is needed during the call only.
Result<Rules> schema_rules(const schema::Schema& schema, const SchemaOptions& options = {});
Result<Rules> schema_rules(const schema::Schema& schema, const SchemaOptions& options,
                           schema::NodeId part);

}  // namespace weft::grammar
