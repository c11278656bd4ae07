// SPDX-License-Identifier: Apache-2.0
//
// For tests: tools of every kind, and random texts of the grammar of their calls. Not part of the
// product.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "chat/call_grammar.h"
#include "grammar/matcher.h"

namespace weft::chat {

inline std::vector<Tool> tools(std::string_view text) {
  return parse_tools(json::parse(text).value().as_array()).value();
}

inline std::vector<Tool> varied_tools() {
  return tools(R"([
      {"name": "one", "parameters": {"type": "object", "required": ["s", "n"], "properties": {
         "s": {"type": "string"}, "n": {"type": "integer"}, "e": {"enum": ["x", "y z"]},
         "l": {"type": "array", "items": {"$ref": "#/$defs/d"}}, "p": {"type": "string",
         "minLength": 2, "maxLength": 5}}, "$defs": {"d": {"type": "boolean"}}}},
      {"name": "two", "parameters": {"type": "object", "required": ["o"], "properties": {
         "o": {"type": "object", "required": ["k"], "properties": {"k": {"type": "null"}}},
         "m": {"type": ["string", "null"]}}}},
      {"name": "three"}])");
}

// One random text of the grammar; short, since ends are taken where they may come.
inline std::string random_text(const std::shared_ptr<grammar::Grammar>& grammar,
                               auto& random, int64_t budget = 150) {
  grammar::MatcherOptions options;
  options.ends = {0x7000};
  options.tokens_left = budget;
  const auto matcher = grammar::Matcher::create(grammar, options).value();
  const grammar::TokenTrie& trie = grammar->vocabulary().trie;
  std::string out;
  while (!matcher->over()) {
    grammar::TokenMask mask(0x7001);
    matcher->mask(mask);
    if (mask.allowed(0x7000)) return out;
    std::vector<text::TokenId> allowed;
    for (size_t id = 0; id < trie.vocabulary(); ++id) {
      if (mask.allowed(static_cast<text::TokenId>(id))) {
        allowed.push_back(static_cast<text::TokenId>(id));
      }
    }
    const text::TokenId id = allowed.at(random() % allowed.size());
    out += trie.bytes(id);
    matcher->on_token(id);
  }
  return out;
}

}  // namespace weft::chat
