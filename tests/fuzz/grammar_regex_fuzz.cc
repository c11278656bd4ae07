// SPDX-License-Identifier: Apache-2.0
// The first line is a pattern, the rest a text: what both matchers take they judge alike.
// covers: src/grammar/regex.cc src/grammar/automaton.cc
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/strings.h"
#include "grammar/regex.h"
#include "schema/regex.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t cut = std::min(text.find('\n'), text.size());
  const std::string_view pattern = text.substr(0, cut);
  const std::string_view subject = text.substr(std::min(cut + 1, size));
  const auto ours = grammar::regex_language(pattern, grammar::Matching::kSearch);
  if (!ours.ok()) {
    CHECK(ours.error().code == "E0321" || ours.error().code == "E0323");
    return 0;
  }
  const auto theirs = schema::Regex::compile(pattern);
  if (!theirs.ok() || invalid_utf8_at(subject)) return 0;
  const auto match = theirs->search(subject);
  // The tables of letters may be of different Unicode versions; anchors may not follow each other.
  const bool comparable = pattern.find("\\p") == pattern.npos &&
                          pattern.find("\\P") == pattern.npos &&
                          pattern.find_first_of("^$") == pattern.npos;
  if (match == schema::Regex::Match::kTooMuchWork || !comparable) return 0;
  CHECK(ours->accepts(subject) == (match == schema::Regex::Match::kYes));
  return 0;
}
