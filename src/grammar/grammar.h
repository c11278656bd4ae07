// SPDX-License-Identifier: Apache-2.0
//
// A compiled grammar: rules, the vocabulary's trie, and the parts of masks made so far. Made once
// from a JSON Schema, a regular expression, a list of choices or EBNF; any number of matchers use
// it at a time, from any threads.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "grammar/json_schema.h"
#include "grammar/token_groups.h"
#include "text/tokenizer.h"

namespace weft::grammar {

// What all grammars of one tokenizer share. Immutable.
struct Vocabulary {
  TokenTrie trie;
  StringParts strings;
  std::optional<text::Tokenizer> tokenizer;  // for forced tokens; without it none is forced

  // Without tokens from `rows` on: what the model has no row for cannot come.
  static Result<std::shared_ptr<const Vocabulary>> of(const text::Tokenizer& tokenizer,
                                                      size_t rows = SIZE_MAX);
  size_t bytes() const;  // of memory, about
};
using VocabularyPtr = std::shared_ptr<const Vocabulary>;

class Grammar {
 public:
  static Result<std::shared_ptr<Grammar>> of_schema(VocabularyPtr vocabulary,
                                                    const schema::Schema& schema,
                                                    const SchemaOptions& options = {});
  static Result<std::shared_ptr<Grammar>> of_regex(VocabularyPtr vocabulary,
                                                   std::string_view pattern);
  // One of these texts. E0324 if there is none.
  static Result<std::shared_ptr<Grammar>> of_choice(VocabularyPtr vocabulary,
                                                    std::span<const std::string> texts);
  static Result<std::shared_ptr<Grammar>> of_ebnf(VocabularyPtr vocabulary,
                                                  std::string_view source);

  Grammar(VocabularyPtr vocabulary, Rules rules);
  const Rules& rules() const { return rules_; }
  const Vocabulary& vocabulary() const { return *vocabulary_; }
  TokenGroups& groups() { return groups_; }
  size_t bytes() const;  // about; grows as parts of masks are made

  // Tokens that the shortest answer has: what max_tokens must at least be.
  uint32_t fewest_tokens() const { return fewest_tokens_; }
  // E0326 with both numbers if so many tokens are too few.
  Status check_fits(int64_t tokens) const;

 private:
  VocabularyPtr vocabulary_;
  Rules rules_;
  TokenGroups groups_;
  uint32_t fewest_tokens_ = 0;
};

}  // namespace weft::grammar
