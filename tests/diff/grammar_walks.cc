// SPDX-License-Identifier: Apache-2.0
// Schemas, one a line, on stdin; for each a line [schema, answer, answer, …] of random answers of
// its grammar on stdout, or {"refused": text}. An answer that our own validator refuses is told on
// stderr, and the exit status is 1. usage: grammar_walks TOKENIZER_DIRECTORY [SEED [N]]
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

#include "grammar/matcher.h"
#include "schema/validator.h"

namespace {

using namespace weft;

// Ends by chance where it may; near the end of its tokens it is made to.
std::string random_answer(const std::shared_ptr<grammar::Grammar>& grammar,
                          std::mt19937_64& random) {
  const auto size = static_cast<text::TokenId>(grammar->vocabulary().trie.vocabulary());
  grammar::MatcherOptions options;
  options.tokens_left = grammar->fewest_tokens() + static_cast<int64_t>(random() % 120);
  options.ends = {size};
  const auto matcher = grammar::Matcher::create(grammar, options).value();
  grammar::TokenMask mask(static_cast<size_t>(size) + 1);
  std::string out;
  while (!matcher->over()) {
    matcher->mask(mask);
    if (mask.allowed(size) && random() % 3 == 0) break;
    auto id = static_cast<text::TokenId>(random() % static_cast<uint64_t>(size));
    for (text::TokenId i = 0; i < size && !mask.allowed(id); ++i) id = (id + 1) % size;
    if (!mask.allowed(id)) break;
    out += grammar->vocabulary().trie.bytes(id);
    matcher->on_token(id);
  }
  return out;
}

Result<std::shared_ptr<grammar::Grammar>> grammar_of(const grammar::VocabularyPtr& vocabulary,
                                                     const json::Value& tree) {
  const auto schema = TRY(schema::Schema::parse(tree));
  return grammar::Grammar::of_schema(vocabulary, schema);
}

bool fits(const schema::Schema& schema, const std::string& answer) {
  const auto value = json::parse(answer);
  if (!value.ok()) {
    std::fprintf(stderr, "no JSON: %s\n", answer.c_str());
    return false;
  }
  const auto wrong = schema::validate(schema, *value);
  if (!wrong.empty()) std::fprintf(stderr, "%s\n%s\n", answer.c_str(), wrong[0].text().c_str());
  return wrong.empty();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: grammar_walks TOKENIZER_DIRECTORY [SEED [N]]\n", stderr);
    return 2;
  }
  const auto tokenizer = text::Tokenizer::load(argv[1]).value();
  const auto vocabulary = grammar::Vocabulary::of(tokenizer).value();
  std::mt19937_64 random(argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
  const long count = argc > 3 ? std::strtol(argv[3], nullptr, 10) : 20;
  std::string line;
  bool all_fit = true;
  while (std::getline(std::cin, line)) {
    const auto tree = json::parse(line);
    const auto grammar = grammar_of(vocabulary, tree.value());
    if (!grammar.ok()) {
      std::printf("%s\n", json::dump(json::Object{{"refused", grammar.error().text()}}).c_str());
      continue;
    }
    const auto schema = schema::Schema::parse(*tree).value();
    std::string out = "[" + json::dump(*tree);
    for (long i = 0; i < count; ++i) {
      const std::string answer = random_answer(*grammar, random);
      all_fit = fits(schema, answer) && all_fit;
      out += "," + answer;
    }
    std::printf("%s]\n", out.c_str());
  }
  return all_fit ? 0 : 1;
}
