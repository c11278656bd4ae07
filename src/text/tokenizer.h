// SPDX-License-Identifier: Apache-2.0
//
// Text to tokens and back: byte-level BPE as a Hugging Face tokenizer.json describes it, for the
// three families (Qwen3, EXAONE, Granite). What such a file may say beyond that is refused by
// name (tokenizer_json), never ignored.
//
// Encoding: repair UTF-8 -> cut at added tokens -> normalize each piece -> split into words ->
// byte-pair encoding. Added tokens control the turn, so they are recognised only where the caller
// vouches for the text: in what a template wrote, never in what a user wrote.
// It adds no token of its own (no BOS, no EOS) and never truncates.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/added_tokens.h"
#include "text/pretokenizer.h"
#include "text/token.h"
#include "text/unicode.h"

namespace weft::text {

// What a tokenizer consists of, whatever file it came from. The views must outlive build() only.
struct TokenizerSpec {
  // Spelled in the byte-level alphabet of GPT-2 (a space is "Ġ"). All bytes that occur in
  // UTF-8 must be there.
  std::vector<std::pair<std::string_view, TokenId>> vocab;
  std::vector<std::pair<std::string_view, std::string_view>> merges;  // in order of rank
  std::vector<AddedToken> added;
  std::vector<Normalization> normalizers;  // applied in this order
  std::vector<SplitSpec> splits;           // each splits the words of the one before
};

// Immutable after loading; all functions may be called from all threads. Copies share the tables.
class Tokenizer {
 public:
  // A whole tokenizer.json. E0101 malformed or contradictory, E0102 not supported; both name the
  // field. Also the errors of json::parse.
  static Result<Tokenizer> parse(std::string_view tokenizer_json);
  // `directory`/tokenizer.json.
  static Result<Tokenizer> load(const std::string& directory);
  static Result<Tokenizer> build(const TokenizerSpec& spec);

  enum class AddedTokens {
    kAll,            // text that a template wrote
    kSpecialsAsText, // those marked special are ordinary text (what other tools do)
    kNone,           // only those of white space: how untrusted text is encoded
  };
  // Bytes that are not well-formed UTF-8 are encoded as U+FFFD, one for each maximal invalid part:
  // what a model reads can always be shown again as text.
  std::vector<TokenId> encode(std::string_view text, AddedTokens mode = AddedTokens::kAll) const;
  // Added tokens only where they lie wholly inside one range that the template wrote; those of
  // white space everywhere. For any data, the control tokens in the result are the same.
  std::vector<TokenId> encode(const MarkedText& marked) const;

  // So many tokens at least, by any mode: no token spells more than the longest with the same
  // bytes. Some hundred times faster than encoding, and rarely near the truth: for refusing texts
  // that cannot fit before they are encoded. From all threads.
  int64_t fewest_tokens(std::string_view text) const;

  // Invalid UTF-8 in the tokens' bytes becomes U+FFFD; ids outside the vocabulary add nothing.
  std::string decode(std::span<const TokenId> ids, bool skip_special = false) const;

  // The bytes a token stands for, possibly a part of a character; empty outside the vocabulary.
  std::string_view token_bytes(TokenId id) const;
  std::optional<TokenId> added_token(std::string_view content) const;
  const std::vector<AddedToken>& added_tokens() const;  // ascending by id
  bool is_added(TokenId id) const;                      // special or not
  bool is_special(TokenId id) const;
  size_t size() const;  // one more than the largest id

 private:
  struct Tables;
  explicit Tokenizer(std::shared_ptr<const Tables> tables) : tables_(std::move(tables)) {}
  std::shared_ptr<const Tables> tables_;
};

// Decodes tokens as they are generated. What push() returns is text for the reader, always whole
// characters: bytes that may still become one are held back until they do, or cannot any more.
// A special token that is skipped does not interrupt the bytes before and behind it.
// For one thread; `tokenizer` is kept (it is a handle).
class StreamDecoder {
 public:
  explicit StreamDecoder(Tokenizer tokenizer, bool skip_special = false)
      : tokenizer_(std::move(tokenizer)), skip_special_(skip_special) {}

  std::string push(TokenId id);
  std::string flush();  // what is still held, as U+FFFD; ready for another text

 private:
  Tokenizer tokenizer_;
  Utf8Decoder decoder_;
  bool skip_special_;
};

}  // namespace weft::text
