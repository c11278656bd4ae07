// SPDX-License-Identifier: Apache-2.0
#include "grammar/grammar.h"

#include "base/strings.h"
#include "grammar/completion.h"
#include "grammar/ebnf.h"
#include "grammar/regex.h"

namespace weft::grammar {
namespace {

Result<Rules> rules_of(const Dfa& dfa) {
  Rules rules;
  const RuleId root = rules.add_rule("root");
  rules.embed(root, dfa);
  TRY(rules.finish(root));
  return rules;
}

}  // namespace

Result<VocabularyPtr> Vocabulary::of(const text::Tokenizer& tokenizer, size_t rows) {
  TokenTrie trie = TRY(TokenTrie::build(tokenizer, rows));
  StringParts strings = string_parts(trie);
  return VocabularyPtr(std::make_shared<const Vocabulary>(
      Vocabulary{std::move(trie), std::move(strings), tokenizer}));
}

Grammar::Grammar(VocabularyPtr vocabulary, Rules rules)
    : vocabulary_(std::move(vocabulary)),
      rules_(std::move(rules)),
      groups_(rules_, vocabulary_->trie, vocabulary_->strings) {
  Machine machine(rules_);
  const ConfigurationSet start = machine.start();
  fewest_tokens_ = Completions(machine, vocabulary_->trie).tokens(start);
}

size_t Grammar::bytes() const {
  constexpr size_t kStateBytes = 96;  // with an edge or two and its tables
  return rules_.state_count() * kStateBytes + groups_.bytes();
}

Status Grammar::check_fits(int64_t tokens) const {
  if (tokens >= fewest_tokens_) return ok_status();
  return make_error("E0326",
                    fmt::format("{} tokens for the answer, but its shortest form has {}", tokens,
                                fewest_tokens_),
                    fmt::format("raise max_tokens to at least {}, or ask for less",
                                fewest_tokens_));
}

Result<std::shared_ptr<Grammar>> Grammar::of_schema(VocabularyPtr vocabulary,
                                                    const schema::Schema& schema,
                                                    const SchemaOptions& options) {
  Rules rules = TRY(schema_rules(schema, options));
  return std::make_shared<Grammar>(std::move(vocabulary), std::move(rules));
}

Result<std::shared_ptr<Grammar>> Grammar::of_regex(VocabularyPtr vocabulary,
                                                   std::string_view pattern) {
  const Dfa dfa = TRY(regex_language(pattern, Matching::kWhole));
  Rules rules = TRY(rules_of(dfa));
  return std::make_shared<Grammar>(std::move(vocabulary), std::move(rules));
}

Result<std::shared_ptr<Grammar>> Grammar::of_choice(VocabularyPtr vocabulary,
                                                    std::span<const std::string> texts) {
  if (texts.empty()) return make_error("E0324", "no choices are given", "give at least one");
  for (const std::string& text : texts) {
    if (invalid_utf8_at(text)) return make_error("E0324", "a choice is not UTF-8");
  }
  Rules rules = TRY(rules_of(literals({texts.begin(), texts.end()})));
  return std::make_shared<Grammar>(std::move(vocabulary), std::move(rules));
}

Result<std::shared_ptr<Grammar>> Grammar::of_ebnf(VocabularyPtr vocabulary,
                                                  std::string_view source) {
  Rules rules = TRY(ebnf_rules(source));
  return std::make_shared<Grammar>(std::move(vocabulary), std::move(rules));
}

}  // namespace weft::grammar
