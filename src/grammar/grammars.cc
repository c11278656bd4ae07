// SPDX-License-Identifier: Apache-2.0
#include "grammar/grammars.h"

namespace weft::grammar {

Result<VocabularyPtr> Grammars::vocabulary() {
  const std::lock_guard lock(mutex_);
  return vocabulary_locked();
}

Result<VocabularyPtr> Grammars::vocabulary_locked() {
  if (!vocabulary_) vocabulary_ = TRY(Vocabulary::of(tokenizer_, rows_));
  return vocabulary_;
}

Result<GrammarPtr> Grammars::of(const std::string& key, const Make& make) {
  std::unique_lock lock(mutex_);
  made_.wait(lock, [&] { return !making_.contains(key); });
  if (const auto found = known_.find(key); found != known_.end()) {
    recent_.splice(recent_.begin(), recent_, found->second);
    return recent_.front().grammar;
  }
  VocabularyPtr vocabulary = TRY(vocabulary_locked());
  making_.insert(key);
  lock.unlock();
  Result<GrammarPtr> made = make(std::move(vocabulary));
  lock.lock();
  making_.erase(key);
  made_.notify_all();
  const GrammarPtr grammar = TRY(std::move(made));
  recent_.push_front({key, grammar});
  known_[key] = recent_.begin();
  forget_old();
  return grammar;
}

void Grammars::forget_old() {
  size_t bytes = 0;
  size_t count = 0;
  for (auto at = recent_.begin(); at != recent_.end();) {
    bytes += at->grammar->bytes();
    const bool keep = count++ == 0 || (count <= kGrammarsMax && bytes <= kBytesMax);
    if (keep) {
      ++at;
      continue;
    }
    known_.erase(at->key);
    at = recent_.erase(at);
  }
}

size_t Grammars::size() const {
  const std::lock_guard lock(mutex_);
  return recent_.size();
}

Result<GrammarPtr> Grammars::of_schema(const json::Value& schema, const SchemaOptions& options) {
  // Not canonical(): the order of members is the order in which they are written.
  const std::string key = fmt::format("schema {} {} {} {}", static_cast<int>(options.spacing),
                                      options.closed_objects, options.formats,
                                      json::dump(schema));
  return of(key, [&](VocabularyPtr vocabulary) -> Result<GrammarPtr> {
    const schema::Schema parsed = TRY(schema::Schema::parse(schema));
    return Grammar::of_schema(std::move(vocabulary), parsed, options);
  });
}

Result<GrammarPtr> Grammars::of_regex(std::string_view pattern) {
  return of(fmt::format("regex {}", pattern), [&](VocabularyPtr vocabulary) {
    return Grammar::of_regex(std::move(vocabulary), pattern);
  });
}

Result<GrammarPtr> Grammars::of_choice(std::span<const std::string> texts) {
  std::string key = "choice";
  for (const std::string& text : texts) json::append_quoted(key, text);
  return of(key, [&](VocabularyPtr vocabulary) {
    return Grammar::of_choice(std::move(vocabulary), texts);
  });
}

Result<GrammarPtr> Grammars::of_ebnf(std::string_view source) {
  return of(fmt::format("ebnf {}", source), [&](VocabularyPtr vocabulary) {
    return Grammar::of_ebnf(std::move(vocabulary), source);
  });
}

}  // namespace weft::grammar
