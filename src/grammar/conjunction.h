// SPDX-License-Identifier: Apache-2.0
//
// What several schemas demand of one value at once. A Conjunction is a set of nodes of a schema
// tree; $ref and allOf only add nodes to it, so a recursive schema has finitely many of them, and
// they are what the compiler makes rules of. Facts are the merged keywords of such a set.
//
// anyOf and oneOf are alternatives: the compiler takes one branch into the set and marks the
// node's choice as made. Keywords that say something a grammar cannot enforce are refused here
// (E0320, with the keyword's place), unless what they say is trivially true or concerns a type
// that is excluded anyway.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "grammar/json_text.h"
#include "grammar/regex.h"
#include "schema/schema.h"

namespace weft::grammar {

// Node id and choices made: id << 2 | bits. Ascending, each id once.
using Conjunction = std::vector<uint32_t>;
inline constexpr uint32_t kAnyOfChosen = 1;
inline constexpr uint32_t kOneOfChosen = 2;
inline constexpr uint32_t kNothingFits = UINT32_MAX;  // an entry that says: no value at all

struct SchemaOptions {
  enum class Spacing { kCompact, kSpaced, kOptional } spacing = Spacing::kCompact;
  // Objects with `properties` and without additionalProperties take no further members, although
  // JSON Schema allows them: who lists members means these.
  bool closed_objects = true;
  bool formats = true;  // `format` is enforced, where it is known
};

inline uint32_t clipped_count(uint64_t number) {
  return number < kNoMax ? static_cast<uint32_t>(number) : kNoMax - 1;
}

struct Strings {
  uint32_t min = 0;             // characters
  uint32_t max = kNoMax;
  // Every character is one of these; absent: any character. Beside it there is no `content`.
  std::optional<CharRanges> characters;
  std::optional<Dfa> content;   // lengths included; absent: no more is said
  size_t states_made = 0;       // of all automata on the way to it
};
// The texts as an automaton, whatever says them. E0323.
Result<Dfa> language_of(const Strings& strings);

class Facts {
 public:
  Facts(const schema::Schema& schema, const SchemaOptions& options)
      : schema_(schema), options_(options) {}

  // Nothing: the set contains `false`.
  std::optional<Conjunction> expanded(const Conjunction& set) const;

  // Bits of schema::Type; kNumber means numbers that are no integers.
  Result<uint8_t> types(const Conjunction& set) const;
  // The values that are left of `enum` and `const`, if there are any of these keywords.
  enum class Judged { kWhole, kBesideOneOf };  // not by nodes whose oneOf has been chosen
  std::optional<std::vector<const json::Value*>> values(const Conjunction& set,
                                                        Judged judged = Judged::kWhole) const;
  // Whether there are any, or no value fits at all: then values() knows all that there is.
  bool lists_values(const Conjunction& set) const;
  Result<Strings> strings(const Conjunction& set) const;
  Result<Dfa> numbers(const Conjunction& set, bool integers_only) const;

  struct Items {
    uint32_t min = 0;
    uint32_t max = kNoMax;
    std::vector<Conjunction> prefix;
    Conjunction rest;
  };
  Result<Items> items(const Conjunction& set) const;

  struct Member {
    std::string name;
    Conjunction value;
    bool required = false;
  };
  struct Members {
    uint32_t min = 0;
    uint32_t max = kNoMax;
    std::vector<Member> named;  // in the order of the schema
    struct Free {
      Dfa names;                // texts
      Conjunction value;
    };
    std::vector<Free> free;     // any other members
  };
  Result<Members> members(const Conjunction& set) const;

  // A choice still to be made: the node and its branches.
  struct Choice {
    uint32_t key = 0;          // entry of the set
    bool one_of = false;
    std::vector<schema::NodeId> branches;
  };
  std::optional<Choice> choice(const Conjunction& set) const;
  static Conjunction chosen(const Conjunction& set, const Choice& choice, schema::NodeId branch);
  // Whether no value fits; false means: not known. Each automaton that is made for it, and what is
  // compared in long lists, is taken from `work`; E0323 when nothing is left.
  Result<bool> surely_empty(const Conjunction& set, int depth, int64_t& work) const;
  // E0320 at the node's keyword.
  Error refused(schema::NodeId id, std::string_view keyword, std::string hint) const;
  // The error with the node's keyword in front.
  Error placed(Error error, schema::NodeId id, std::string_view keyword) const;
  // Nothing is demanded at all.
  bool is_anything(const Conjunction& set) const;

 private:
  Status pay(int64_t amount, schema::NodeId where, int64_t& work) const;
  size_t values_compared(const Conjunction& set) const;
  Result<bool> without_members(const Conjunction& set, int depth, int64_t& work) const;
  std::optional<Repetition> only_repetition(const Conjunction& set) const;
  const schema::Node& node(uint32_t key) const { return schema_.node(key >> 2); }
  Status check_enforceable(uint32_t key, uint8_t types) const;
  Result<uint8_t> without_not(uint32_t key, uint8_t types) const;
  Conjunction value_of_member(const Conjunction& set, std::string_view name) const;
  void named_members(const Conjunction& set, Members& members) const;
  Members listed_members(const Conjunction& set) const;  // without those of open names
  Status free_members(const Conjunction& set, Members& members) const;
  Result<std::optional<Dfa>> free_names(const Conjunction& set, Members& members) const;
  Status add_free(const Conjunction& set, Conjunction value, Dfa names, Members& members) const;
  bool is_closed(const Conjunction& set) const;

  const schema::Schema& schema_;
  const SchemaOptions& options_;
};

// How many bytes at most are needed, from anywhere inside a (quoted) key of this language, to end
// it as a key that is none of some thousand given ones; nothing if that cannot be said.
std::optional<uint32_t> key_slack(const Dfa& quoted);

// The texts of a `format`, or nothing if grammars do not know it. E0323.
Result<std::optional<Dfa>> format_language(std::string_view format);

}  // namespace weft::grammar
