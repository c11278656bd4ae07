// SPDX-License-Identifier: Apache-2.0
//
// A workflow from a model's draft. The model fills in a small form, held to it by a grammar: what
// each step does, in words. The document is made from the form here, so that every name, every
// {{ }} and every dependency is right by construction, whatever the model writes.
//
// Pure: no model and no files (cli/new.h).
#pragma once

#include <string>

#include "base/error.h"
#include "base/json.h"

namespace weft::cli {

// The JSON Schema of the form.
json::Value draft_schema();
// What the model is told beside it.
std::string draft_instructions();
// The document, as YAML. E0907: `draft` does not fit the form.
Result<std::string> document_of_draft(const json::Value& draft, std::string_view wanted);

}  // namespace weft::cli
