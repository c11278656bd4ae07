// SPDX-License-Identifier: Apache-2.0
#include "grammar/grammar.h"

#include "base/strings.h"
#include "grammar/completion.h"
#include "grammar/ebnf.h"
#include "grammar/regex.h"

namespace weft::grammar {
namespace {

constexpr size_t kWalkedMax = 32;
constexpr int kWideBytes = 26;  // edges over so many bytes lead into much of the vocabulary

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

size_t Vocabulary::bytes() const {
  size_t out = trie.bytes();
  for (const auto& part : {strings.plain, strings.counted}) out += part ? part->bytes : 0;
  return out;
}

Grammar::Grammar(VocabularyPtr vocabulary, Rules rules)
    : vocabulary_(std::move(vocabulary)),
      rules_(std::move(rules)),
      groups_(rules_, vocabulary_->trie, vocabulary_->strings) {
  Machine machine(rules_);
  const ConfigurationSet start = machine.start();
  // Walks over most of the vocabulary, which take milliseconds, are made here, by whoever compiles,
  // not by the engine in the middle of a tick.
  size_t walked = 0;
  for (StateId state = 0; state < rules_.state_count() && walked < kWalkedMax; ++state) {
    const Rule& rule = rules_.rule(rules_.state(state).rule);
    int bytes = 0;
    for (const ByteEdge& edge : rules_.state(state).bytes) bytes += edge.high - edge.low + 1;
    if (!rule.leaf || rule.free_string || bytes < kWideBytes) continue;
    (void)groups_.of(state, rule.min);
    ++walked;
  }
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
