// SPDX-License-Identifier: Apache-2.0
// EBNF text: an error with a place, or rules whose shortest text belongs to them.
// covers: src/grammar/ebnf.cc src/grammar/rules.cc src/grammar/configuration.cc
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "grammar/configuration.h"
#include "grammar/ebnf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  if (size > 4096) return 0;
  const auto rules = grammar::ebnf_rules({reinterpret_cast<const char*>(data), size});
  if (!rules.ok()) {
    CHECK(rules.error().code.substr(0, 3) == "E03");
    return 0;
  }
  grammar::Machine machine(*rules);
  grammar::ConfigurationSet set = machine.start();
  grammar::ConfigurationSet next;
  const auto& root = rules->rule(rules->root());
  const std::string shortest = rules->shortest(root.start, root.min);
  CHECK(shortest.size() == rules->rule_cost(rules->root()));
  for (const char c : shortest) {
    machine.step(set, static_cast<uint8_t>(c), next);
    std::swap(set, next);
    CHECK(!set.dead());
  }
  CHECK(set.bottom);
  return 0;
}
