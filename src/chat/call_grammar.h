// SPDX-License-Identifier: Apache-2.0
//
// The grammar of a tool call, of what stands between its markers: one of the tools that are on
// offer, with arguments that fit that tool's schema, in the form the dialect writes calls in
// (chat/call_text.h). JSON is spaced as Python's json.dumps, since that is what the templates of
// all these families show to their models.
//
// Each tool's schema is compiled for itself, so that its references stay its own. In XML its
// parameters are compiled one by one: of what a schema says about all of them together,
// `properties` and `required` are held, and nothing else (anyOf, minProperties, …).
#pragma once

#include <memory>
#include <span>
#include <string>

#include "chat/call_text.h"
#include "chat/tools.h"
#include "grammar/grammar.h"

namespace weft::chat {

// E0320, E0321, E0323, E0324 and the errors of schemas, with "tools: parameters of NAME" in
// front. At least one tool.
Result<std::shared_ptr<grammar::Grammar>> call_grammar(grammar::VocabularyPtr vocabulary,
                                                       CallFormat format,
                                                       std::span<const Tool> tools);
// All that the grammar depends on besides the vocabulary.
std::string call_grammar_key(CallFormat format, std::span<const Tool> tools);

}  // namespace weft::chat
