// SPDX-License-Identifier: Apache-2.0
//
// Internal to schema/: builds a Schema from documents. Three passes over a worklist, so that no
// nesting of a hostile document reaches the stack:
//   read      every schema location becomes a node (keywords.cc); identifiers are registered,
//             references noted
//   resolve   each reference is followed (references.cc); it may load a remote document or name a
//             place that was no schema location, which are then read in turn
//   check     no cycle of references and in-place applicators (cycles.cc)
// A node is found again by the address of its JSON value, which stays put while parsing lasts.
#pragma once

#include <unordered_map>

#include "schema/schema.h"

namespace weft::schema {

// Vocabularies as bits; `core` is always on.
enum Vocabulary : uint8_t {
  kCore = 1,
  kApplicator = 2,
  kUnevaluated = 4,
  kValidation = 8,
  kMetaData = 16,
  kFormat = 32,
  kContent = 64,
  kAllVocabularies = 127,
};

class Parser {
 public:
  explicit Parser(const ParseOptions& options) : options_(options) {}
  Result<Schema> run(const json::Value& document);

  // One schema object being read: its node is finished in `node` and then stored under `id`.
  struct Reading {
    NodeId id;
    Node node;
    std::string_view keyword;
    const json::Value* value;
  };

  // For the readers of keywords.
  Error bad(const Reading& at, std::string_view expected, const json::Value& found,
            std::string_view hint = {}) const;
  std::string place(const Reading& at) const;  // "#/properties/a/minLength"
  // A new node for the subschema at `step` below the one being read ("/items", "/allOf/0").
  Result<NodeId> add_child(const Reading& at, std::string step, const json::Value& value);
  Status note_reference(const Reading& at, const json::Value& text, bool dynamic);
  Status note_anchor(const Reading& at, const json::Value& name, bool dynamic);
  void note_unknown(const Reading& at, const json::Value& value, std::string hint);
  void note_unevaluated() { schema_.uses_unevaluated_ = true; }

 private:
  struct Pending {
    const json::Value* value;
    NodeId id;
  };
  struct Reference {
    NodeId node;
    std::string text;  // as written
    bool dynamic;
  };
  struct ResourceRoot {
    NodeId node;
    const json::Value* value;
  };

  Result<NodeId> add_node(Node node, const json::Value& value, size_t depth);
  Result<NodeId> add_document(const std::string& uri, const json::Value& value);
  Status read_pending();
  Status read_object(Reading& at, const json::Object& object);
  Status read_keyword(Reading& at, const json::Value& value, uint8_t vocabularies);
  Status begin_resource(Reading& at, const json::Object& object);
  Status read_schema_uri(Reading& at, const json::Value& value, uint32_t resource);
  Result<uint8_t> read_vocabularies(const Reading& at, const json::Value& metaschema,
                                    uint32_t resource);

  Status resolve_all();
  Status resolve(const Reference& reference);
  Result<ResourceRoot> resource_root(const std::string& uri, const Error& otherwise);
  Result<NodeId> at_pointer(const ResourceRoot& root, std::string_view pointer,
                            const Error& otherwise);
  Result<NodeId> at_anchor(uint32_t resource, const std::string& name, const Error& otherwise);

  Status check_cycles() const;

  const ParseOptions& options_;
  Schema schema_;
  std::vector<Pending> pending_;
  std::vector<Reference> references_;
  std::vector<size_t> depths_;           // by node
  std::vector<uint8_t> vocabularies_;    // by resource
  std::vector<ResourceRoot> roots_;      // by resource
  std::map<std::string, uint32_t> resource_by_uri_;
  std::map<std::pair<uint32_t, std::string>, NodeId> anchors_;
  std::unordered_map<const json::Value*, NodeId> node_at_;
};

}  // namespace weft::schema
