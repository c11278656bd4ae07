// SPDX-License-Identifier: Apache-2.0
//
// For tests: whether a text belongs to a grammar. The text is read byte by byte from the start of
// the rules and ends as soon as no configuration is left; nothing is masked, no token is looked at.
// Not part of the product.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "grammar/configuration.h"

namespace weft::grammar {

inline bool belongs(const Rules& rules, std::string_view text) {
  Machine machine(rules);
  ConfigurationSet set = machine.start();
  ConfigurationSet next;
  for (const char c : text) {
    machine.step(set, static_cast<uint8_t>(c), next);
    std::swap(set, next);
    if (set.dead()) return false;
  }
  return set.bottom;
}

}  // namespace weft::grammar
