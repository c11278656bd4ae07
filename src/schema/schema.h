// SPDX-License-Identifier: Apache-2.0
//
// JSON Schema draft 2020-12 as a checked tree. A document is parsed once; afterwards every keyword
// has its type, every `pattern` compiles, every `$ref` names a node, and no chain of references
// comes back to its beginning without consuming input. The validator, the filling of defaults and
// the grammar compiler all walk this tree.
//
// Nodes lie by value in one vector and name each other by NodeId; `pointer(id)` says where a node
// stands in its document, so that every later error can name the place. Documents that `$ref`
// names come from `ParseOptions::remotes` (and the built-in metaschemas), never from a network.
//
// Unknown keywords are kept and listed, because a misspelt keyword silently allows everything.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "schema/regex.h"

namespace weft::schema {

using NodeId = uint32_t;
inline constexpr NodeId kNone = UINT32_MAX;

// Bits of Node::types.
enum Type : uint8_t {
  kNull = 1,
  kBoolean = 2,
  kInteger = 4,  // a number without a fraction: 1 and 1.0
  kNumber = 8,   // any number, integers included
  kString = 16,
  kArray = 32,
  kObject = 64,
};
std::string types_text(uint8_t types);  // "string or null"

struct Property {
  std::string name;
  NodeId node;
};
struct PatternProperty {
  Regex pattern;
  NodeId node;
};
struct DependentRequired {
  std::string name;  // when this member is there …
  std::vector<std::string> required;  // … these must be too
};

// One schema. Absent keywords: 0 types (any), kNone, empty optional or vector.
struct Node {
  enum class Kind : uint8_t { kKeywords, kTrue, kFalse } kind = Kind::kKeywords;
  uint8_t types = 0;
  bool lists_properties = false;  // `properties` is there, be it empty
  NodeId parent = kNone;
  std::string step;        // pointer from the parent ("/properties/a"), from the document if none
  uint32_t resource = 0;   // index of the schema resource (the scope of `$id`)

  std::optional<json::Value> constant;
  std::optional<std::vector<json::Value>> enumeration;

  std::optional<json::Value> minimum, maximum, exclusive_minimum, exclusive_maximum, multiple_of;

  std::optional<uint64_t> min_length, max_length;  // in code points
  std::optional<Regex> pattern;
  std::string format;

  std::optional<uint64_t> min_items, max_items, min_contains, max_contains;
  bool unique_items = false;
  std::vector<NodeId> prefix_items;
  NodeId items = kNone;  // those after prefix_items
  NodeId contains = kNone;
  NodeId unevaluated_items = kNone;

  std::optional<uint64_t> min_properties, max_properties;
  std::vector<Property> properties;  // in the order of the document
  std::vector<PatternProperty> pattern_properties;
  NodeId additional_properties = kNone;
  NodeId property_names = kNone;
  NodeId unevaluated_properties = kNone;
  std::vector<std::string> required;
  std::vector<DependentRequired> dependent_required;
  std::vector<Property> dependent_schemas;

  std::vector<NodeId> all_of, any_of, one_of;
  NodeId not_ = kNone;
  NodeId if_ = kNone;
  NodeId then_ = kNone;
  NodeId else_ = kNone;

  NodeId ref = kNone;
  NodeId dynamic_ref = kNone;       // where it leads before the dynamic scope is asked
  std::string dynamic_name;         // not empty: the dynamic scope is asked for this anchor
  std::vector<Property> definitions;  // $defs

  std::optional<json::Value> default_value;
  std::string title, description;
};

struct UnknownKeyword {
  std::string place;    // "#/properties/a"
  std::string keyword;
  json::Value value;
  std::string hint;     // "did you mean 'minLength'?", or why it is not applied
};

// Documents that `$ref` may name, by absolute URI. They are parsed only when named.
using Remotes = std::map<std::string, json::Value, std::less<>>;

struct ParseOptions {
  std::string base_uri;           // of the document, if it has no absolute `$id`
  const Remotes* remotes = nullptr;
  bool assert_formats = false;    // else `format` is an annotation
  size_t depth_max = 128;         // nesting of schemas inside schemas
  size_t nodes_max = 50'000;      // over all documents
};

class Schema {
 public:
  // E0301 a keyword has a wrong value or an identifier stands twice; E0302 a reference leads
  // nowhere; E0303 a cycle that consumes no input; E0304 a pattern; E0306 too deep or too large.
  // Messages begin with the place, "#/properties/a/minLength: …".
  static Result<Schema> parse(const json::Value& document, const ParseOptions& options = {});

  NodeId root() const { return root_; }
  const Node& node(NodeId id) const { return nodes_[id]; }
  std::span<const Node> nodes() const { return nodes_; }

  // "#/properties/a"; with the document's URI in front if it is not the main document.
  std::string pointer(NodeId id) const;

  std::span<const UnknownKeyword> unknown_keywords() const { return unknown_; }

  // The node that carries `$dynamicAnchor: name` in a resource, or kNone.
  NodeId dynamic_anchor(uint32_t resource, std::string_view name) const;

  bool asserts_format(NodeId id) const { return resources_[nodes_[id].resource].assert_formats; }
  // unevaluatedItems or unevaluatedProperties occur: validation has to remember what it saw.
  bool uses_unevaluated() const { return uses_unevaluated_; }

 private:
  friend class Parser;
  struct Resource {
    std::string uri;       // absolute, without fragment; "" if the document has no name
    std::string document;  // the URI of its document, "" for the main one
    bool assert_formats = false;
    std::vector<std::pair<std::string, NodeId>> dynamic_anchors;
  };

  NodeId root_ = kNone;
  std::vector<Node> nodes_;
  std::vector<Resource> resources_;
  std::vector<UnknownKeyword> unknown_;
  bool uses_unevaluated_ = false;
};

}  // namespace weft::schema
