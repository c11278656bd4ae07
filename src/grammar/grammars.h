// SPDX-License-Identifier: Apache-2.0
//
// The grammars of one model: its vocabulary as a trie, made when the first grammar is asked for
// (weft-mini 3 ms and 0.3 MB, a vocabulary of 150,000 some 80 ms and 8 MB), and the grammars
// compiled so far. The same
// schema asked for again is the same object, with all the parts of masks it has made: the second
// answer under a schema costs almost nothing.
//
// Bounded: the least recently used are forgotten beyond a number and a sum of bytes. Whoever still
// answers under one keeps it. Safe from all threads.
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/json.h"
#include "grammar/grammar.h"

namespace weft::grammar {

using GrammarPtr = std::shared_ptr<Grammar>;

class Grammars {
 public:
  // `rows`: of the model's head. Tokens beyond them cannot be chosen, so no grammar counts on them.
  Grammars(text::Tokenizer tokenizer, size_t rows)
      : tokenizer_(std::move(tokenizer)), rows_(rows) {}

  // E0325. The others: that, and the errors of Grammar and of schema::Schema.
  Result<VocabularyPtr> vocabulary();
  Result<GrammarPtr> of_schema(const json::Value& schema, const SchemaOptions& options);
  Result<GrammarPtr> of_regex(std::string_view pattern);
  Result<GrammarPtr> of_choice(std::span<const std::string> texts);
  Result<GrammarPtr> of_ebnf(std::string_view source);
  // Anything else; `key` says all that `make` depends on.
  using Make = std::function<Result<GrammarPtr>(VocabularyPtr)>;
  Result<GrammarPtr> of(const std::string& key, const Make& make);

  size_t size() const;

 private:
  static constexpr size_t kGrammarsMax = 64;
  static constexpr size_t kBytesMax = size_t{256} << 20;
  struct Entry {
    std::string key;
    GrammarPtr grammar;
  };
  Result<VocabularyPtr> vocabulary_locked();
  void forget_old();

  const text::Tokenizer tokenizer_;
  const size_t rows_;
  mutable std::mutex mutex_;  // not held while compiling
  std::condition_variable made_;
  std::set<std::string> making_;  // keys: a second user of one waits for the first
  VocabularyPtr vocabulary_;
  std::list<Entry> recent_;   // the latest first
  std::unordered_map<std::string, std::list<Entry>::iterator> known_;
};

}  // namespace weft::grammar
