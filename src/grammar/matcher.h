// SPDX-License-Identifier: Apache-2.0
//
// A grammar steering one answer: which tokens may come, token by token, so that the answer is
// complete and valid when it ends, and ends in time.
//
// With a budget (tokens_left) a token is allowed only if the fewest tokens that finish the answer
// behind it still fit. Far from the end that is known from a bound in bytes (a byte is a token at
// most); near it the exact numbers are asked for, by groups of tokens that lead to the same place.
// So a matcher that started with room for the shortest answer can never run out of it.
//
// One sequence, one thread at a time; the grammar may be shared.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "grammar/completion.h"
#include "grammar/grammar.h"
#include "grammar/guide.h"
#include "grammar/key_tracker.h"

namespace weft::grammar {

struct MatcherOptions {
  std::vector<text::TokenId> ends;       // allowed where the answer is complete; they end it
  std::optional<int64_t> tokens_left;    // for the answer, ends not counted; unset: no bound
  size_t rollback_max = 0;               // tokens that can be taken back
  bool jump_forward = true;              // forced() names tokens that the grammar leaves no choice
  bool keeps_time = false;               // ending() will be asked: costs a walk to the end
};

class Matcher final : public Guide {
 public:
  // E0326 if the budget is too small for any answer.
  static Result<std::unique_ptr<Matcher>> create(std::shared_ptr<Grammar> grammar,
                                                 MatcherOptions options);

  std::optional<text::TokenId> forced() override;
  bool mask(TokenMask& mask) override;
  Verdict on_token(text::TokenId id) override;

  // Takes the last tokens back; at most rollback_max.
  void rollback(size_t tokens);
  // The budget may become known or change while the answer has not begun. E0326.
  Status set_tokens_left(int64_t tokens);
  // kShortest: from here on only a shortest completion is allowed, and what is no choice (the same
  // text in other pieces) is forced. kAtOnce: everything is.
  bool wrap_up(Haste haste) override;
  // Passes of kShortest: the places where the shortest completion of a whole answer has a choice;
  // in the middle of an answer that is about the number. Needs keeps_time.
  Ending ending(Haste haste) override;

  bool begun() const { return !tokens_.empty(); }
  bool complete() const { return set_.bottom; }  // the text so far is an answer
  bool over() const { return over_; }            // and nothing can follow, or it was ended
  uint32_t fewest_tokens();                      // that finish the answer from here
  const TokenTrie& trie() const { return trie_; }

  // The same answer as mask() for one token, found without any cache: the slow twin.
  bool allows(text::TokenId id);

 private:
  struct Part {
    TokenPartPtr part;
    StateId state;
    uint32_t count;
    StackId below;
  };
  struct Known {
    std::vector<Part> parts;
    TokenMask all;
    uint64_t cost_max = 0;  // bytes that finish the answer behind any of the tokens
    bool deep = false;      // near the bound of depth: parts cannot be trusted
  };
  struct Moment {
    ConfigurationSet set;
    std::optional<int64_t> left;
    KeyTracker::Mark keys;
    size_t text_bytes;
    bool over;
  };
  struct Hash {
    size_t operator()(const std::vector<Configuration>& set) const;
  };
  Matcher(std::shared_ptr<Grammar> grammar, MatcherOptions options);

  bool is_end(text::TokenId id) const;
  bool read(std::string_view bytes, ConfigurationSet& set);
  bool read_keys(std::string_view bytes);
  bool repeats(std::string_view bytes, std::string_view rest = {});
  const Known& known();
  void add_parts(const Configuration& one, Known& known);
  uint32_t tokens_behind(const Part& part, const TokenGroup& group);
  void mask_within_budget(const Known& known, TokenMask& mask);
  void verify_keys(TokenMask& mask);
  void forbid_repeated_keys(TokenMask& mask);
  void only_key_left(TokenMask& mask);
  void mask_slowly(TokenMask& mask);
  bool fits_behind(text::TokenId id);
  std::string forced_bytes();
  std::optional<text::TokenId> forced_by_haste();
  int choices_to_end();
  void keep_arena_small();

  std::shared_ptr<Grammar> grammar_;
  const TokenTrie& trie_;
  MatcherOptions options_;
  Machine machine_;
  Completions completions_;
  ConfigurationSet set_;
  KeyTracker keys_;
  bool track_keys_;
  bool over_ = false;
  Haste haste_ = Haste::kGoOn;
  int choices_ = 0;                       // of the shortest answer
  TokenMask scratch_;
  std::string text_;                      // the answer so far
  std::vector<text::TokenId> tokens_;     // and its tokens
  std::deque<Moment> history_;
  std::unordered_map<std::vector<Configuration>, Known, Hash> known_;
};

}  // namespace weft::grammar
