// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <array>
#include <mutex>
#include <unordered_map>

#include "base/file.h"
#include "base/strings.h"
#include "text/bpe.h"
#include "text/tokenizer_json.h"

namespace weft::text {
namespace {

// Ids index tables, so a file must not make us allocate for absurd ones. The largest vocabularies
// in use have some 260,000 entries.
constexpr TokenId kIdMax = (1 << 22) - 1;
constexpr size_t kVocabBytesMax = size_t{1} << 30;

// The byte-level alphabet of GPT-2: printable Latin-1 stands for itself, the other bytes, in
// order, for U+0100 and following.
struct ByteAlphabet {
  char32_t of_byte[256];
  int16_t to_byte[0x144];  // -1: no byte
  ByteAlphabet() {
    std::fill(std::begin(to_byte), std::end(to_byte), int16_t{-1});
    char32_t next = 0x100;
    for (char32_t b = 0; b < 256; ++b) {
      const bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b != 0xAD);
      of_byte[b] = printable ? b : next++;
      to_byte[of_byte[b]] = static_cast<int16_t>(b);
    }
  }
  static const ByteAlphabet& get() {
    static const ByteAlphabet alphabet;
    return alphabet;
  }
  // The bytes that `spelling` stands for. A spelling with other characters stands for itself, as
  // in the reference.
  std::string bytes(std::string_view spelling) const {
    std::string out;
    for (size_t at = 0; at < spelling.size();) {
      const Utf8Char c = utf8_char(spelling.data() + at);
      if (c.code >= std::size(to_byte) || to_byte[c.code] < 0) return std::string(spelling);
      out += static_cast<char>(to_byte[c.code]);
      at += c.bytes;
    }
    return out;
  }
};

using VocabIndex = boost::unordered_flat_map<std::string_view, TokenId>;
using Spellings = std::vector<std::string_view>;  // by id; empty where there is none

Error malformed(std::string message, std::string hint = {}) {
  return make_error("E0101", std::move(message), std::move(hint));
}

Status check_token(std::string_view text, int64_t id, std::string_view list) {
  if (text.empty()) return malformed(fmt::format("{}: a token with empty text (id {})", list, id));
  if (invalid_utf8_at(text)) {
    return malformed(fmt::format("{}: token {} is not UTF-8", list, quoted(text)));
  }
  if (id < 0 || id > kIdMax) {
    return malformed(
        fmt::format("{}: token {} has id {}, expected 0 to {}", list, quoted(text), id, kIdMax));
  }
  return ok_status();
}

Result<VocabIndex> index_vocab(const TokenizerSpec& spec, Spellings& spellings) {
  VocabIndex index;
  index.reserve(spec.vocab.size());
  size_t bytes = 0;
  for (const auto& [text, id] : spec.vocab) {
    TRY(check_token(text, id, "model.vocab"));
    bytes += text.size();
    if (!index.emplace(text, id).second) {
      return malformed(fmt::format("model.vocab: token {} stands twice", quoted(text)));
    }
    const auto at = static_cast<size_t>(id);
    if (at >= spellings.size()) spellings.resize(at + 1);
    if (!spellings[at].empty()) {
      return malformed(fmt::format("model.vocab: {} and {} have the same id {}", quoted(text),
                                   quoted(spellings[at]), id));
    }
    spellings[at] = text;
  }
  if (bytes > kVocabBytesMax) return malformed("model.vocab: more than 1 GiB of text");
  return index;
}

// Bytes that no well-formed UTF-8 has: small vocabularies leave them out.
bool never_in_utf8(uint8_t byte) { return byte == 0xC0 || byte == 0xC1 || byte >= 0xF5; }

Result<std::vector<TokenId>> find_byte_tokens(const VocabIndex& index) {
  std::vector<TokenId> tokens(256);
  for (size_t b = 0; b < 256; ++b) {
    std::string spelling;
    append_utf8(spelling, ByteAlphabet::get().of_byte[b]);
    const auto found = index.find(spelling);
    if (found == index.end() && never_in_utf8(static_cast<uint8_t>(b))) {
      tokens[b] = -1;  // nothing that is encoded holds it
      continue;
    }
    if (found == index.end()) {
      return malformed(fmt::format("model.vocab: no token for byte 0x{:02X}, spelled {}", b,
                                   quoted(spelling)),
                       "a byte-level vocabulary has a token for each byte of UTF-8");
    }
    tokens[b] = found->second;
  }
  return tokens;
}

Result<std::vector<Merge>> resolve_merges(const TokenizerSpec& spec, const VocabIndex& index) {
  std::vector<Merge> merges;
  merges.reserve(spec.merges.size());
  std::string joined;
  for (const auto& [left, right] : spec.merges) {
    joined.assign(left).append(right);
    TokenId ids[3];
    size_t i = 0;
    for (const std::string_view part : {left, right, std::string_view(joined)}) {
      const auto found = index.find(part);
      if (found == index.end()) {
        return malformed(fmt::format("model.merges[{}]: token {} is not in model.vocab",
                                     merges.size(), quoted(part)),
                         "vocabulary and merges belong to different tokenizers");
      }
      ids[i++] = found->second;
    }
    merges.push_back({ids[0], ids[1], ids[2]});
  }
  return merges;
}

// Byte-pair encoding must not be able to produce a control token, or any text could.
Status check_unreachable(const std::vector<AddedToken>& added,
                         const std::vector<TokenId>& byte_tokens,
                         const std::vector<Merge>& merges) {
  std::unordered_map<TokenId, const AddedToken*> control;
  for (const AddedToken& token : added) {
    if (!token.is_white_space()) control.emplace(token.id, &token);
  }
  const auto check = [&](TokenId id, std::string_view way) -> Status {
    const auto found = control.find(id);
    if (found == control.end()) return ok_status();
    return make_error("E0102",
                      fmt::format("added_tokens: {} with id {} can also be reached by {}",
                                  quoted(found->second->content), id, way),
                      "a control token must not be what ordinary text is encoded to");
  };
  for (const TokenId id : byte_tokens) TRY(check(id, "a single byte"));
  for (const Merge& merge : merges) TRY(check(merge.merged, "a merge"));
  return ok_status();
}

enum TokenFlag : uint8_t { kIsAdded = 1, kIsSpecial = 2 };

}  // namespace

struct Tokenizer::Tables {
  std::string arena;              // the bytes of all tokens, one after the other
  std::vector<uint32_t> offsets;  // size() + 1
  std::vector<uint8_t> flags;     // TokenFlag by id
  std::vector<AddedToken> added;
  std::unordered_map<std::string, TokenId> added_ids;
  AddedTokenFinder find_all, find_not_special, find_white_space;
  std::vector<Normalization> normalizers;
  std::vector<Splitter> splitters;
  std::optional<Bpe> bpe;
  // By byte: the length of the longest token that holds it, at least 1. Made when first asked for.
  mutable std::once_flag longest_once;
  mutable std::array<uint32_t, 256> longest = {};

  void find_longest() const;
  Status take_added(const TokenizerSpec& spec, const VocabIndex& index, Spellings& spellings);
  void lay_out(const Spellings& spellings);
  void encode_words(std::string_view text, size_t depth, std::vector<TokenId>& out) const;
  void encode_plain(std::string_view text, std::vector<TokenId>& out) const;
  void encode_cut(std::string_view text, const AddedTokenFinder& finder,
                  std::vector<TokenId>& out) const;
};

// Adds the contents of added tokens to the spellings; the views are of `added`.
Status Tokenizer::Tables::take_added(const TokenizerSpec& spec, const VocabIndex& index,
                                     Spellings& spellings) {
  added = spec.added;
  std::sort(added.begin(), added.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  for (const AddedToken& token : added) {
    TRY(check_token(token.content, token.id, "added_tokens"));
    if (!added_ids.emplace(token.content, token.id).second) {
      return malformed(fmt::format("added_tokens: {} stands twice", quoted(token.content)));
    }
    if (&token != &added[0] && (&token)[-1].id == token.id) {
      return malformed(fmt::format("added_tokens: {} and {} have the same id {}",
                                   quoted((&token)[-1].content), quoted(token.content), token.id));
    }
    const auto in_vocab = index.find(token.content);
    const auto id = static_cast<size_t>(token.id);
    if (id >= spellings.size()) spellings.resize(id + 1);
    if ((in_vocab != index.end() && in_vocab->second != token.id) ||
        (!spellings[id].empty() && spellings[id] != token.content)) {
      return malformed(fmt::format("added_tokens: {} with id {} contradicts model.vocab",
                                   quoted(token.content), token.id),
                       "an added token may repeat an entry of the vocabulary, not take its id");
    }
    spellings[id] = token.content;
    find_all.add(token);
    if (!token.special) find_not_special.add(token);
    if (token.is_white_space()) find_white_space.add(token);
  }
  return ok_status();
}

void Tokenizer::Tables::lay_out(const Spellings& spellings) {
  const size_t count = spellings.size();
  flags.assign(count, 0);
  for (const AddedToken& token : added) {
    flags[static_cast<size_t>(token.id)] =
        static_cast<uint8_t>(kIsAdded | (token.special ? kIsSpecial : 0));
  }
  offsets.reserve(count + 1);
  offsets.push_back(0);
  for (size_t id = 0; id < count; ++id) {
    if (flags[id] & kIsAdded) {
      arena += spellings[id];
    } else {
      arena += ByteAlphabet::get().bytes(spellings[id]);
    }
    offsets.push_back(static_cast<uint32_t>(arena.size()));
  }
}

Result<Tokenizer> Tokenizer::build(const TokenizerSpec& spec) {
  auto tables = std::make_shared<Tables>();
  Spellings spellings;
  const VocabIndex index = TRY(index_vocab(spec, spellings));
  std::vector<TokenId> byte_tokens = TRY(find_byte_tokens(index));
  const std::vector<Merge> merges = TRY(resolve_merges(spec, index));
  TRY(tables->take_added(spec, index, spellings));
  TRY(check_unreachable(tables->added, byte_tokens, merges));
  tables->lay_out(spellings);
  tables->normalizers = spec.normalizers;
  for (const SplitSpec& split : spec.splits) {
    tables->splitters.push_back(TRY(Splitter::make(split)));
  }
  tables->bpe.emplace(std::move(byte_tokens), merges);
  tables->bpe->index_words(tables->arena.data(), tables->offsets);
  return Tokenizer(std::move(tables));
}

Result<Tokenizer> Tokenizer::parse(std::string_view tokenizer_json) {
  const json::Value document = TRY(json::parse(tokenizer_json, {.in_arena = true}));
  return build(TRY(read_tokenizer_json(document)));
}

Result<Tokenizer> Tokenizer::load(const std::string& directory) {
  const std::string path = directory + "/tokenizer.json";
  const MappedFile file = TRY(MappedFile::open(path));
  auto tokenizer = parse(file.bytes());
  if (!tokenizer.ok()) return in_context(std::move(tokenizer).error(), path);
  return tokenizer;
}

void Tokenizer::Tables::encode_words(std::string_view text, size_t depth,
                                     std::vector<TokenId>& out) const {
  if (depth == splitters.size()) return bpe->encode(text, out);
  if (depth + 1 == splitters.size()) {  // the usual case: one step, no call between word and BPE
    return splitters[depth].split(text, [&](std::string_view word) { bpe->encode(word, out); });
  }
  splitters[depth].split(text,
                         [&](std::string_view word) { encode_words(word, depth + 1, out); });
}

// Text without added tokens.
void Tokenizer::Tables::encode_plain(std::string_view text, std::vector<TokenId>& out) const {
  std::string normalized;
  for (const Normalization form : normalizers) {
    if (surely_normalized(text, form)) continue;
    normalized = normalize(text, form);
    text = normalized;
  }
  if (!text.empty()) encode_words(text, 0, out);
}

void Tokenizer::Tables::encode_cut(std::string_view text, const AddedTokenFinder& finder,
                                   std::vector<TokenId>& out) const {
  size_t done = 0;
  while (const auto match = finder.find(text, done)) {
    encode_plain(text.substr(done, match->begin - done), out);
    out.push_back(match->id);
    done = match->end;
  }
  encode_plain(text.substr(done), out);
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, AddedTokens mode) const {
  std::string repaired;
  if (invalid_utf8_at(text)) text = repaired = repair_utf8(text);
  std::vector<TokenId> out;
  out.reserve(text.size() / 3 + 8);
  const AddedTokenFinder& finder = mode == AddedTokens::kAll ? tables_->find_all
                                   : mode == AddedTokens::kNone
                                       ? tables_->find_white_space
                                       : tables_->find_not_special;
  tables_->encode_cut(text, finder, out);
  return out;
}

void Tokenizer::Tables::find_longest() const {
  longest.fill(1);
  for (size_t id = 0; id + 1 < offsets.size(); ++id) {
    const uint32_t length = offsets[id + 1] - offsets[id];
    for (uint32_t i = offsets[id]; i < offsets[id + 1]; ++i) {
      uint32_t& most = longest[static_cast<uint8_t>(arena[i])];
      most = std::max(most, length);
    }
  }
}

// Each byte counts as the share it has at least in its token: 1 / (the longest token that holds
// it). The shares inside a token of n bytes add up to n * 1 / n at most, so their sum over the text
// is never more than its tokens. What is repaired or normalized first may vanish: then only ASCII
// counts that stands before ASCII, which no normal form touches.
int64_t Tokenizer::fewest_tokens(std::string_view text) const {
  const Tables& tables = *tables_;
  std::call_once(tables.longest_once, [&] { tables.find_longest(); });
  bool as_is = !invalid_utf8_at(text);
  for (const Normalization form : tables.normalizers) {
    as_is = as_is && surely_normalized(text, form);
  }
  std::array<uint64_t, 256> counts = {};
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    const bool plain = byte < 0x80 && (i + 1 == text.size() ||
                                       static_cast<uint8_t>(text[i + 1]) < 0x80);
    if (as_is || plain) ++counts[byte];
  }
  double sum = 0;
  for (size_t byte = 0; byte < counts.size(); ++byte) {
    sum += static_cast<double>(counts[byte]) / tables.longest[byte];
  }
  return static_cast<int64_t>(sum * (1 - 1e-9));  // rounding must not make it more than it is
}

namespace {

// The same text with every range repaired by itself, so that a broken character at the end of
// one cannot swallow the beginning of the next.
MarkedText repair_marked(const MarkedText& marked) {
  MarkedText out;
  const std::string_view text = marked.text;
  size_t done = 0;
  for (const ByteRange& range : marked.data) {
    out.text += repair_utf8(text.substr(done, range.begin - done));
    const size_t begin = out.text.size();
    out.text += repair_utf8(text.substr(range.begin, range.end - range.begin));
    out.data.push_back({begin, out.text.size()});
    done = range.end;
  }
  out.text += repair_utf8(text.substr(done));
  return out;
}

bool borders_split_characters(const MarkedText& marked) {
  const auto splits = [&](size_t at) {
    return at < marked.text.size() && (static_cast<uint8_t>(marked.text[at]) & 0xC0) == 0x80;
  };
  return std::any_of(marked.data.begin(), marked.data.end(), [&](const ByteRange& range) {
    return splits(range.begin) || splits(range.end);
  });
}

}  // namespace

// Two passes, so that no data can shift a match of the template: first the control tokens, in
// each template range by itself; then, in the text between them, those of white space. For text
// without data the result is that of one pass over everything: a white-space token that begins
// left of a control token and overlaps it wins in both.
std::vector<TokenId> Tokenizer::encode(const MarkedText& given) const {
  for (size_t i = 0; i < given.data.size(); ++i) {
    const ByteRange& range = given.data[i];
    CHECK(range.begin <= range.end && range.end <= given.text.size(), "a range outside its text");
    CHECK(i == 0 || given.data[i - 1].end <= range.begin, "ranges that are not ascending");
  }
  MarkedText repaired;
  const bool broken = invalid_utf8_at(given.text).has_value() || borders_split_characters(given);
  if (broken) repaired = repair_marked(given);
  const MarkedText& marked = broken ? repaired : given;
  const std::string_view text = marked.text;
  std::vector<TokenId> out;
  out.reserve(text.size() / 3 + 8);
  size_t done = 0;  // everything before is encoded
  const auto encode_template = [&](size_t begin, size_t end) {
    const std::string_view range = text.substr(0, end);
    for (auto match = tables_->find_all.find(range, begin); match;
         match = tables_->find_all.find(range, match->end)) {
      const std::string_view content = range.substr(match->begin, match->end - match->begin);
      if (tables_->find_white_space.find(content, 0) &&
          tables_->find_white_space.find(content, 0)->id == match->id) {
        continue;  // white space: the second pass sees it, together with its surroundings
      }
      tables_->encode_cut(text.substr(done, match->begin - done), tables_->find_white_space, out);
      out.push_back(match->id);
      done = match->end;
    }
  };
  size_t begin = 0;
  for (const ByteRange& range : marked.data) {
    encode_template(begin, range.begin);
    begin = range.end;
  }
  encode_template(begin, text.size());
  tables_->encode_cut(text.substr(done), tables_->find_white_space, out);
  return out;
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special) const {
  std::string out;
  Utf8Decoder decoder;
  for (const TokenId id : ids) {
    if (skip_special && is_special(id)) continue;
    decoder.feed(token_bytes(id), out);
  }
  decoder.finish(out);
  return out;
}

std::string_view Tokenizer::token_bytes(TokenId id) const {
  if (id < 0 || static_cast<size_t>(id) >= size()) return {};
  const auto i = static_cast<size_t>(id);
  const auto& offsets = tables_->offsets;
  return std::string_view(tables_->arena).substr(offsets[i], offsets[i + 1] - offsets[i]);
}

std::optional<TokenId> Tokenizer::added_token(std::string_view content) const {
  const auto found = tables_->added_ids.find(std::string(content));
  if (found == tables_->added_ids.end()) return std::nullopt;
  return found->second;
}

const std::vector<AddedToken>& Tokenizer::added_tokens() const { return tables_->added; }

bool Tokenizer::is_added(TokenId id) const {
  return id >= 0 && static_cast<size_t>(id) < size() &&
         (tables_->flags[static_cast<size_t>(id)] & kIsAdded);
}

bool Tokenizer::is_special(TokenId id) const {
  return id >= 0 && static_cast<size_t>(id) < size() &&
         (tables_->flags[static_cast<size_t>(id)] & kIsSpecial);
}

size_t Tokenizer::size() const { return tables_->flags.size(); }

std::string StreamDecoder::push(TokenId id) {
  std::string out;
  if (skip_special_ && tokenizer_.is_special(id)) return out;
  decoder_.feed(tokenizer_.token_bytes(id), out);
  return out;
}

std::string StreamDecoder::flush() {
  std::string out;
  decoder_.finish(out);
  return out;
}

}  // namespace weft::text
