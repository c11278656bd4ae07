// SPDX-License-Identifier: Apache-2.0
#include "grammar/matcher.h"

#include <algorithm>
#include <bit>

namespace weft::grammar {

using text::TokenId;

namespace {

constexpr size_t kKnownMax = 24;              // sets of which the mask is remembered
constexpr size_t kStacksMax = 200'000;
constexpr uint32_t kDeep = Machine::kDepthMax - 60;  // no token opens that many frames
constexpr size_t kForcedBytesMax = 64;
constexpr size_t kStableBytes = 7;            // behind a token that is forced (see forced())
constexpr size_t kLookBackTokens = 4;
constexpr size_t kKeySearchMax = 20'000;
constexpr int kAnswerPasses = 16;             // for an answer that need not be the shortest

}  // namespace

size_t Matcher::Hash::operator()(const std::vector<Configuration>& set) const {
  uint64_t h = set.size();
  for (const Configuration& one : set) {
    h = (h ^ (uint64_t{one.state} << 32 | one.stack)) * 0x9E3779B97F4A7C15ull;
    h = (h ^ (h >> 29) ^ one.count) * 0xBF58476D1CE4E5B9ull;
  }
  return static_cast<size_t>(h ^ (h >> 32));
}

Matcher::Matcher(std::shared_ptr<Grammar> grammar, MatcherOptions options)
    : grammar_(std::move(grammar)),
      trie_(grammar_->vocabulary().trie),
      options_(std::move(options)),
      machine_(grammar_->rules()),
      completions_(machine_, trie_),
      set_(machine_.start()),
      keys_(grammar_->rules().has_included()),
      track_keys_(grammar_->rules().has_free_keys()),
      scratch_(trie_.vocabulary()) {}

Result<std::unique_ptr<Matcher>> Matcher::create(std::shared_ptr<Grammar> grammar,
                                                 MatcherOptions options) {
  CHECK(grammar != nullptr);
  if (options.tokens_left) TRY(grammar->check_fits(*options.tokens_left));
  const bool keeps_time = options.keeps_time;
  std::unique_ptr<Matcher> matcher(new Matcher(grammar, std::move(options)));
  if (keeps_time) matcher->choices_ = Matcher(std::move(grammar), {}).choices_to_end();
  return matcher;
}

Status Matcher::set_tokens_left(int64_t tokens) {
  CHECK(tokens_.empty(), "the budget is set before the answer begins");
  TRY(grammar_->check_fits(tokens));
  const bool shortest = haste_ >= Haste::kShortest;  // then the budget is smaller already
  options_.tokens_left = shortest ? std::min(tokens, *options_.tokens_left) : tokens;
  return ok_status();
}

// Where keys must not repeat, the shortest completion may be a little longer than what is counted.
bool Matcher::wrap_up(Haste haste) {
  CHECK(haste >= haste_, "less haste than before");
  if (haste < Haste::kShortest || haste == haste_) return true;
  if (haste_ < Haste::kShortest) {
    const auto slack = track_keys_ ? static_cast<int64_t>(machine_.rules().key_slack()) : 0;
    const int64_t fewest = int64_t{fewest_tokens()} + slack;
    options_.tokens_left = std::min(options_.tokens_left.value_or(fewest), fewest);
  }
  haste_ = haste;
  return true;
}

Ending Matcher::ending(Haste haste) {
  const auto slack = track_keys_ ? static_cast<int>(machine_.rules().key_slack()) : 0;
  const int tokens = over_ ? 0 : static_cast<int>(fewest_tokens()) + slack;
  const int choices = std::min(tokens, choices_ + 1);
  switch (haste) {
    case Haste::kGoOn: return {};
    case Haste::kAnswer: return {choices * 2 + kAnswerPasses, tokens};
    case Haste::kShortest: return {choices, tokens};
    case Haste::kAtOnce: return {0, tokens};  // everything is forced
  }
  return {};
}

// Of the shortest answer, by writing it. Where there is a choice the first token is taken.
int Matcher::choices_to_end() {
  wrap_up(Haste::kShortest);
  int choices = 0;
  while (!over_ && !set_.bottom) {
    std::optional<TokenId> next = forced();
    if (!next) {
      ++choices;
      haste_ = Haste::kAtOnce;
      next = forced_by_haste();
      haste_ = Haste::kShortest;
    }
    CHECK(next.has_value(), "the shortest answer has no next token");
    (void)on_token(*next);
  }
  return choices;
}

bool Matcher::is_end(TokenId id) const {
  return std::find(options_.ends.begin(), options_.ends.end(), id) != options_.ends.end();
}

uint32_t Matcher::fewest_tokens() { return completions_.tokens(set_); }

bool Matcher::read(std::string_view bytes, ConfigurationSet& set) {
  ConfigurationSet next;
  for (const char c : bytes) {
    machine_.step(set, static_cast<uint8_t>(c), next);
    std::swap(set, next);
    if (set.dead()) return false;
  }
  return true;
}

// Behind set_. Where values stand within other text, the rules that read tell where one begins.
bool Matcher::read_keys(std::string_view bytes) {
  const Rules& rules = machine_.rules();
  if (!rules.has_included()) return keys_.read(bytes);
  const auto in_value = [&](const Configuration& one) {
    return rules.rule(rules.state(one.state).rule).included;
  };
  ConfigurationSet set = set_;
  bool fresh = true;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (keys_.waits() && std::ranges::any_of(set.configurations, in_value)) keys_.begin();
    fresh = keys_.read(bytes.substr(i, 1)) && fresh;
    if (!read(bytes.substr(i, 1), set)) break;
  }
  return fresh;
}

// Whether a token repeats a key, or a shortest completion behind it. Who waits meets a key twice
// only in a token with both; no shortest completion of a value repeats one of its own.
bool Matcher::repeats(std::string_view bytes, std::string_view rest) {
  const KeyTracker::Mark before = keys_.mark();
  const bool two_keys = std::count(bytes.begin(), bytes.end(), '"') >= 4;
  const bool fresh = (two_keys ? read_keys(bytes) : keys_.read(bytes)) && keys_.read(rest);
  keys_.go_back(before);
  return !fresh;
}

// -- parts of the mask

void Matcher::add_parts(const Configuration& one, Known& known) {
  TokenGroups& groups = grammar_->groups();
  const Rules& rules = machine_.rules();
  const Stacks& stacks = machine_.stacks();
  known.deep = known.deep || stacks.node(one.stack).depth > kDeep;
  Part at{groups.of(one.state, one.count), one.state, one.count, one.stack};
  while (true) {
    const uint64_t need = at.part->counted ? rules.need_cost(at.state, at.count) : 0;
    known.cost_max = std::max(known.cost_max,
                              at.part->cost_max + need + stacks.node(at.below).cost);
    at.part->all.allow_in(known.all);
    known.parts.push_back(at);
    if (at.part->pending.empty() || at.below == kBottom) return;
    const Stacks::Node frame = stacks.node(at.below);
    at = {groups.behind(*at.part, frame.state, frame.count), frame.state, frame.count,
          frame.below};
  }
}

const Matcher::Known& Matcher::known() {
  const auto found = known_.find(set_.configurations);
  if (found != known_.end()) return found->second;
  if (known_.size() >= kKnownMax) known_.clear();
  Known fresh{{}, TokenMask(trie_.vocabulary()), 0, false};
  for (const Configuration& one : set_.configurations) add_parts(one, fresh);
  return known_.emplace(set_.configurations, std::move(fresh)).first->second;
}

// Fewest tokens behind the tokens of a group: its sets are moved onto the matcher's own stack.
uint32_t Matcher::tokens_behind(const Part& part, const TokenGroup& group) {
  const Rules& rules = machine_.rules();
  uint32_t best = UINT32_MAX;
  if (group.after.bottom) best = completions_.tokens_of({}, part.below);
  for (Configuration one : group.after.configurations) {
    if (part.part->counted && one.stack == kBottom) {
      const uint32_t need = rules.need(part.state, part.count);
      const uint32_t left = need > group.counted ? need - group.counted : 0;
      one.count = rules.rule(rules.state(one.state).rule).min - left;
    }
    one.stack = grammar_->groups().moved(one.stack, part.below, machine_.stacks());
    best = std::min(best, completions_.tokens(one));
  }
  return best;
}

void Matcher::mask_within_budget(const Known& known, TokenMask& mask) {
  for (const Part& part : known.parts) {
    for (const TokenGroup& group : part.part->groups) {
      if (tokens_behind(part, group) < *options_.tokens_left) group.tokens->allow_in(mask);
    }
  }
}

bool Matcher::mask(TokenMask& mask) {
  mask.clear();
  const bool may_end = set_.bottom || over_;
  if (!over_) {
    keep_arena_small();
    const Known& all = known();
    const uint64_t slack = track_keys_ ? machine_.rules().key_slack() : 0;
    const bool roomy =
        !options_.tokens_left ||
        all.cost_max + slack < static_cast<uint64_t>(std::max<int64_t>(0, *options_.tokens_left));
    if (all.deep) {
      mask_slowly(mask);
    } else if (roomy) {
      mask.unite(all.all);
      if (track_keys_) forbid_repeated_keys(mask);
    } else {
      mask_within_budget(all, mask);
      if (track_keys_) verify_keys(mask);
    }
  }
  if (may_end) {
    for (const TokenId id : options_.ends) {
      if (static_cast<size_t>(id) < mask.size()) mask.allow(id);
    }
  }
  return true;
}

void Matcher::forbid_repeated_keys(TokenMask& mask) {
  for (const auto& [id, bytes] : trie_.quoting()) {
    if (mask.allowed(id) && repeats(bytes)) mask.forbid(id);
  }
}

// Whether the budget holds behind a token, by a completion that repeats no key.
bool Matcher::fits_behind(TokenId id) {
  const std::string_view bytes = trie_.bytes(id);
  ConfigurationSet set = set_;
  if (bytes.empty() || !read(bytes, set)) return false;
  if (track_keys_ && repeats(bytes)) return false;
  if (!options_.tokens_left) return true;
  if (set.bottom) return *options_.tokens_left > 0;
  const uint64_t slack = track_keys_ ? machine_.rules().key_slack() : 0;
  for (const Configuration& one : set.configurations) {
    const auto left = static_cast<uint64_t>(std::max<int64_t>(0, *options_.tokens_left));
    if (machine_.cost(one) + slack < left) return true;  // a byte is a token at most
    if (completions_.tokens(one) >= left) continue;
    if (!track_keys_ || !repeats(bytes, completions_.text(one))) return true;
  }
  return false;
}

// The completions that the budget counts on must not repeat a key either. In question are tokens
// that end or begin keys, and inside a key those that go along a key that is there already.
void Matcher::verify_keys(TokenMask& mask) {
  const auto judge = [&](TokenId id) {
    if (mask.allowed(id) && !fits_behind(id)) mask.forbid(id);
  };
  for (const auto& [id, bytes] : trie_.quoting()) judge(id);
  for (const std::string& rest : keys_.remainders()) {
    uint32_t node = 0;
    for (const char c : rest) {
      node = trie_.child(node, static_cast<uint8_t>(c));
      if (node == 0) break;
      if (trie_.nodes()[node].token >= 0) judge(trie_.nodes()[node].token);
    }
  }
  if (!keys_.in_key()) {
    for (uint32_t n = 1; n < trie_.nodes().size(); n = trie_.nodes()[n].next) {
      if (trie_.nodes()[n].byte != ',') continue;
      for (uint32_t k = n; k < trie_.nodes()[n].next; ++k) {
        if (trie_.nodes()[k].token >= 0) judge(trie_.nodes()[k].token);
      }
    }
  }
  if (set_.bottom) return;
  for (uint32_t n = 1; n < trie_.nodes().size(); ++n) {
    if (trie_.nodes()[n].token >= 0 && mask.allowed(trie_.nodes()[n].token)) return;
  }
  only_key_left(mask);
}

// Inside a key, and every short way to end it repeats one: the shortest way that does not, byte by
// byte. `key_slack` bytes were kept for it. Should there be none the mask stays empty, which costs
// this one answer.
void Matcher::only_key_left(TokenMask& mask) {
  const Rules& rules = machine_.rules();
  struct Way {
    Configuration at;
    std::string text;
  };
  std::vector<Way> ways;
  for (const Configuration& one : set_.configurations) {
    if (rules.rule(rules.state(one.state).rule).free_key) ways.push_back({one, {}});
  }
  for (size_t i = 0; i < ways.size() && ways.size() < kKeySearchMax; ++i) {
    const Way way = ways[i];
    for (const ByteEdge& edge : rules.state(way.at.state).bytes) {
      for (int b = edge.low; b <= edge.high; ++b) {
        const std::string text = way.text + static_cast<char>(b);
        if (rules.state(edge.to).final) {
          if (keys_.repeats(text)) continue;
          mask.allow(trie_.byte_token(static_cast<uint8_t>(text[0])));
          return;
        }
        ways.push_back({{edge.to, 0, way.at.stack}, text});
      }
    }
  }
}

void Matcher::mask_slowly(TokenMask& mask) {
  for (uint32_t n = 1; n < trie_.nodes().size(); ++n) {
    const TokenId id = trie_.nodes()[n].token;
    if (id >= 0 && fits_behind(id)) mask.allow(id);
  }
}

bool Matcher::allows(TokenId id) {
  if (is_end(id)) return set_.bottom || over_;
  return !over_ && fits_behind(id);
}

// -- tokens

Verdict Matcher::on_token(TokenId id) {
  CHECK(!over_, "a token after the end");
  if (options_.rollback_max > 0) {
    history_.push_back({set_, options_.tokens_left, keys_.mark(), text_.size(), over_});
    if (history_.size() > options_.rollback_max) history_.pop_front();
  }
  tokens_.push_back(id);
  if (is_end(id)) {
    over_ = true;
    return Verdict::kStop;
  }
  const std::string_view bytes = trie_.bytes(id);
  if (track_keys_) CHECK(read_keys(bytes), "a key was repeated");
  const bool follows = !bytes.empty() && read(bytes, set_);
  CHECK(follows, "token {} was not allowed", id);
  text_ += bytes;
  if (options_.tokens_left) --*options_.tokens_left;
  // Nothing can follow: or nothing more is affordable, and the answer is complete.
  const bool spent = options_.tokens_left && *options_.tokens_left <= 0;
  CHECK(!spent || set_.bottom, "the budget ended before the answer");
  over_ = set_.configurations.empty() || spent;
  return over_ ? Verdict::kStop : Verdict::kContinue;
}

void Matcher::rollback(size_t tokens) {
  CHECK(tokens <= history_.size(), "{} tokens back, {} are remembered", tokens, history_.size());
  for (size_t i = 0; i < tokens; ++i) {
    Moment& moment = history_.back();
    set_ = std::move(moment.set);
    options_.tokens_left = moment.left;
    keys_.go_back(moment.keys);
    text_.resize(moment.text_bytes);
    over_ = moment.over;
    tokens_.pop_back();
    history_.pop_back();
  }
}

// Stacks only grow; what is still meant moves into a new arena.
void Matcher::keep_arena_small() {
  if (machine_.stacks().size() < kStacksMax) return;
  Machine fresh(machine_.rules());
  const auto move = [&](ConfigurationSet& set) {
    for (Configuration& one : set.configurations) {
      std::vector<Stacks::Node> frames;
      for (StackId s = one.stack; s != kBottom; s = machine_.stacks().node(s).below) {
        frames.push_back(machine_.stacks().node(s));
      }
      StackId stack = kBottom;
      for (auto f = frames.rbegin(); f != frames.rend(); ++f) {
        stack = fresh.stacks().pushed(stack, f->state, f->count);
      }
      one.stack = stack;
    }
    Machine::order(set);
  };
  move(set_);
  for (Moment& moment : history_) move(moment.set);
  machine_ = std::move(fresh);
  completions_.forget();
  known_.clear();
}

// -- jump-forward

// The bytes that must come, as far as there is no choice.
std::string Matcher::forced_bytes() {
  std::string out;
  ConfigurationSet at = set_;
  ConfigurationSet next;
  const Rules& rules = machine_.rules();
  while (!at.bottom && out.size() < kForcedBytesMax) {
    int only = -1;
    for (const Configuration& one : at.configurations) {
      for (const ByteEdge& edge : rules.state(one.state).bytes) {
        uint32_t count = one.count;
        if (!machine_.passes(edge, one.state, count)) continue;
        if (edge.low != edge.high || (only >= 0 && only != edge.low)) return out;
        only = edge.low;
      }
    }
    if (only < 0) return out;
    out += static_cast<char>(only);
    machine_.step(at, static_cast<uint8_t>(only), next);
    std::swap(at, next);
  }
  return out;
}

// A token is forced only if the tokenizer itself would write it here, whatever follows: the last
// tokens and the forced bytes are encoded together; they must come out as they are, then the
// token, and behind it enough forced bytes that what comes after them cannot change it (or no
// more bytes at all).
std::optional<TokenId> Matcher::forced() {
  const auto& tokenizer = grammar_->vocabulary().tokenizer;
  if (over_) return std::nullopt;
  if (haste_ != Haste::kGoOn) return forced_by_haste();
  if (!options_.jump_forward || !tokenizer) return std::nullopt;
  const std::string bytes = forced_bytes();
  if (bytes.empty()) return std::nullopt;
  const size_t back = std::min(kLookBackTokens, tokens_.size());
  std::string text;
  for (size_t i = tokens_.size() - back; i < tokens_.size(); ++i) text += trie_.bytes(tokens_[i]);
  text += bytes;
  const auto ids = tokenizer->encode(text, text::Tokenizer::AddedTokens::kNone);
  if (ids.size() <= back) return std::nullopt;
  if (!std::equal(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(back),
                  tokens_.end() - static_cast<std::ptrdiff_t>(back))) {
    return std::nullopt;
  }
  const std::string_view token = trie_.bytes(ids[back]);
  if (token.empty() || !bytes.starts_with(token)) return std::nullopt;
  ConfigurationSet behind = set_;
  CHECK(read(token, behind));
  const bool last = token.size() == bytes.size() && behind.configurations.empty();
  const bool stable = bytes.size() - token.size() >= kStableBytes && ids.size() - back >= 3;
  if (!last && !stable) return std::nullopt;
  if (!fits_behind(ids[back])) return std::nullopt;
  return ids[back];
}

// On the shortest way: the longest token, if it is the same text in other pieces that the others
// allow, or if nobody is to be asked.
std::optional<TokenId> Matcher::forced_by_haste() {
  if (set_.bottom) {  // only its end may follow
    const bool ask = haste_ != Haste::kAtOnce || options_.ends.empty();
    return ask ? std::nullopt : std::optional<TokenId>(options_.ends.front());
  }
  (void)mask(scratch_);
  std::optional<TokenId> longest;
  const auto size_of = [&](TokenId id) { return trie_.bytes(id).size(); };
  std::vector<TokenId> allowed;
  for (size_t word = 0; word * 64 < scratch_.size(); ++word) {
    for (uint64_t bits = scratch_.word(word); bits != 0; bits &= bits - 1) {
      const auto id = static_cast<TokenId>(word * 64 + static_cast<size_t>(std::countr_zero(bits)));
      allowed.push_back(id);
      if (!longest || size_of(id) > size_of(*longest)) longest = id;
    }
  }
  if (!longest || haste_ == Haste::kAtOnce) return longest;
  const std::string_view text = trie_.bytes(*longest);
  const bool one_text = std::ranges::all_of(
      allowed, [&](TokenId id) { return text.starts_with(trie_.bytes(id)); });
  return one_text ? longest : std::nullopt;
}

}  // namespace weft::grammar
