// SPDX-License-Identifier: Apache-2.0
//
// A workflow from a model's draft. The model fills in a small form, held to it by a grammar: what
// each step does, in words. The document is made from the form here, so that every name, every
// {{ }} and every dependency is right by construction, whatever the model writes.
//
// `weft new` and POST /definitions/draft ask with the same request and read the same answer. Pure:
// no model and no files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "backend/backend.h"
#include "base/error.h"
#include "base/json.h"

namespace weft::worker {

// What asks a model for a draft of what `wanted` says. With a seed it is sampled, so that another
// seed gives another draft; without, the model's own settings hold.
backend::ChatRequest draft_request(std::string model, std::string_view wanted,
                                   std::optional<uint64_t> seed);
// Makes of it the request for a second try, with what was wrong about the first answer.
void tell_draft_refused(backend::ChatRequest& request, std::string_view answer,
                        const Error& error);
// A valid document without a model: a frame that says in a comment what is to be filled in. For
// models that give no draft.
std::string undrafted_document(std::string_view wanted);
// The document out of its answer, as YAML, checked as every document is. E0907: there is none in
// it, which models that no grammar holds may bring about.
Result<std::string> drafted_document(std::string_view answer, std::string_view wanted);

// The JSON Schema of the form.
json::Value draft_schema();
// What the model is told beside it.
std::string draft_instructions();
// The document, as YAML. E0907: `draft` does not fit the form.
Result<std::string> document_of_draft(const json::Value& draft, std::string_view wanted);

}  // namespace weft::worker
