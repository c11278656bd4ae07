// SPDX-License-Identifier: Apache-2.0
//
// How long a mask takes: usage: grammar_bench TOKENIZER.json [BUDGET]. Random answers under some
// schemas, the first of each grammar included, so that caches start empty. Seconds are CPU time of
// the thread. Goals: 60 us on average, 2 ms at worst, for a vocabulary of 150,000 tokens. The twin
// row is what the same masks cost without caches (one schema, few tokens), hence the ratio.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "base/file.h"
#include "grammar/matcher.h"

namespace {

using namespace weft;

double cpu_us() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

struct Case {
  const char* name;
  const char* schema;
};
constexpr Case kCases[] = {
    {"triage", R"({"type":"object","required":["intent","urgent","summary"],"properties":{
      "intent":{"enum":["billing","refund","shipping","account","other"]},
      "urgent":{"type":"boolean"},"summary":{"type":"string","maxLength":200},
      "amount":{"type":"number"}}})"},
    {"list of people", R"({"type":"array","items":{"type":"object",
      "required":["name","age","tags"],"properties":{"name":{"type":"string"},
      "age":{"type":"integer","minimum":0,"maximum":150},
      "mail":{"type":"string","format":"email"},
      "tags":{"type":"array","items":{"type":"string"}}}}})"},
    {"tool call", R"({"oneOf":[{"type":"object","required":["name","arguments"],"properties":{
      "name":{"const":"search"},"arguments":{"type":"object","required":["query"],"properties":{
      "query":{"type":"string"},"limit":{"type":"integer"}}}}},{"type":"object","required":["name",
      "arguments"],"properties":{"name":{"const":"book"},"arguments":{"type":"object",
      "required":["date"],"properties":{"date":{"type":"string","format":"date"}}}}}]})"},
    {"map", R"({"type":"object",
      "additionalProperties":{"type":"array","items":{"type":"number"}}})"},
    {"tree", R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","required":["label","children"],
      "properties":{"label":{"type":"string"},"children":{"type":"array",
      "items":{"$ref":"#/$defs/n"}}}}}})"},
    {"pattern", R"({"type":"object","required":["id","text"],"properties":{
      "id":{"type":"string","pattern":"^[A-Z]{3}-\\d{4,8}$"},
      "text":{"type":"string","pattern":"^[^\\n]{10,120}$"}}})"},
    {"any JSON", "true"},
};

struct Times {
  std::vector<double> us;
  void print(const char* name) {
    std::sort(us.begin(), us.end());
    double sum = 0;
    for (const double one : us) sum += one;
    const auto at = [&](double share) { return us[static_cast<size_t>(share * (us.size() - 1))]; };
    std::printf("%-16s %7zu masks  average %8.1f us  median %8.1f  p99 %8.1f  worst %8.1f\n", name,
                us.size(), sum / us.size(), at(0.5), at(0.99), us.back());
  }
};

void answer(const std::shared_ptr<grammar::Grammar>& grammar, int64_t left, std::mt19937_64& random,
            Times& times) {
  grammar::MatcherOptions options;
  options.tokens_left = left;
  auto matcher = grammar::Matcher::create(grammar, options).value();
  const auto& trie = grammar->vocabulary().trie;
  grammar::TokenMask mask(trie.vocabulary());
  while (!matcher->over()) {
    mask.allow_all();
    const double begin = cpu_us();
    matcher->mask(mask);
    times.us.push_back(cpu_us() - begin);
    // a random token, by rejection; of the rare ones (a list) the next after a random place
    auto id = static_cast<text::TokenId>(random() % trie.vocabulary());
    for (size_t i = 0; i < trie.vocabulary() && !mask.allowed(id); ++i) {
      id = static_cast<text::TokenId>((static_cast<size_t>(id) + 1) % trie.vocabulary());
    }
    if (!mask.allowed(id)) break;
    matcher->on_token(id);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fputs("usage: grammar_bench TOKENIZER.json [BUDGET]\n", stderr), 2;
  const int64_t budget = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 400;
  const auto file = read_file(argv[1]);
  if (!file.ok()) return std::fprintf(stderr, "%s\n", file.error().text().c_str()), 3;
  const auto tokenizer = text::Tokenizer::parse(*file).value();
  const auto vocabulary = grammar::Vocabulary::of(tokenizer).value();
  std::printf("%zu tokens, %zu nodes\n", tokenizer.size(), vocabulary->trie.nodes().size());
  std::mt19937_64 random(1);
  Times all;
  for (const Case& one : kCases) {
    const auto tree = schema::Schema::parse(json::parse(one.schema).value()).value();
    const double begin = cpu_us();
    const auto grammar = grammar::Grammar::of_schema(vocabulary, tree).value();
    const double compiled = cpu_us() - begin;
    Times times;
    for (int i = 0; i < 12; ++i) answer(grammar, grammar->fewest_tokens() + budget, random, times);
    times.print(one.name);
    std::printf("%-16s compiled in %.1f ms, %zu states\n", "", compiled / 1e3,
                grammar->rules().state_count());
    all.us.insert(all.us.end(), times.us.begin(), times.us.end());
  }
  all.print("all");
  return 0;
}
