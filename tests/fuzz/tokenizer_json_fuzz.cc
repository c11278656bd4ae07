// SPDX-License-Identifier: Apache-2.0
// The first line is a tokenizer.json, the rest a text: what parses encodes the text in every mode,
// gives only ids it can decode, streams what it decodes, and shows no control token for data. In
// the first line, "@":0 stands for the 256 bytes that every vocabulary needs, as tokens 0 to 255,
// so that inputs stay short.
// sources: src/text/tokenizer*.cc src/text/bpe.cc src/text/regex.cc src/text/unicode.cc
// sources: src/text/pretokenizer.cc src/text/added_tokens.cc
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/strings.h"
#include "text/tokenizer.h"

namespace {

using namespace weft::text;
using Ids = std::vector<TokenId>;

bool is_control(const Tokenizer& tokenizer, TokenId id) {
  if (!tokenizer.is_added(id)) return false;
  return !AddedToken{std::string(tokenizer.token_bytes(id)), id, false}.is_white_space();
}

void check_decoding(const Tokenizer& tokenizer, const Ids& ids) {
  for (const TokenId id : ids) CHECK(id >= 0 && static_cast<size_t>(id) < tokenizer.size());
  std::string streamed;
  StreamDecoder decoder(tokenizer);
  for (const TokenId id : ids) streamed += decoder.push(id);
  streamed += decoder.flush();
  CHECK(streamed == tokenizer.decode(ids));
  CHECK(!weft::invalid_utf8_at(streamed));
}

Ids control_tokens(const Tokenizer& tokenizer, const std::string& data) {
  MarkedText marked;
  for (const AddedToken& token : tokenizer.added_tokens()) {
    marked.text += token.content;
    const size_t begin = marked.text.size();
    marked.text += data;
    marked.data.push_back({begin, marked.text.size()});
    if (marked.data.size() == 8) break;
  }
  Ids control;
  for (const TokenId id : tokenizer.encode(marked)) {
    if (is_control(tokenizer, id)) control.push_back(id);
  }
  return control;
}

// GPT-2's characters for bytes: itself where it is printed, else the next one from U+0100 on.
std::string byte_vocabulary() {
  std::string out;
  for (int byte = 0, next = 0x100; byte < 256; ++byte) {
    const bool printed = (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
    out += fmt::format("{}\"\\u{:04x}\":{}", byte == 0 ? "" : ",", printed ? byte : next, byte);
    if (!printed) ++next;
  }
  return out;
}

std::string expanded(std::string_view document) {
  static const std::string bytes = byte_vocabulary();
  constexpr std::string_view kMarker = "\"@\":0";
  const size_t at = document.find(kMarker);
  if (at == document.npos) return std::string(document);
  return std::string(document.substr(0, at)) + bytes +
         std::string(document.substr(at + kMarker.size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t border = std::min(input.find('\n'), input.size());
  const auto tokenizer = Tokenizer::parse(expanded(input.substr(0, border)));
  if (!tokenizer.ok()) {
    CHECK(!tokenizer.error().code.empty() && !tokenizer.error().message.empty());
    return 0;
  }
  const std::string text(input.substr(border));
  using Mode = Tokenizer::AddedTokens;
  for (const Mode mode : {Mode::kAll, Mode::kSpecialsAsText, Mode::kNone}) {
    const Ids ids = tokenizer->encode(text, mode);
    check_decoding(*tokenizer, ids);
    if (mode != Mode::kNone) continue;
    for (const TokenId id : ids) CHECK(!is_control(*tokenizer, id));
  }
  CHECK(control_tokens(*tokenizer, text) == control_tokens(*tokenizer, "x"));
  return 0;
}
