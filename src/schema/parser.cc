// SPDX-License-Identifier: Apache-2.0
#include "schema/parser.h"

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "schema/keywords.h"
#include "schema/metaschema.h"
#include "schema/pointer.h"
#include "schema/uri.h"
#include "schema/value.h"

namespace weft::schema {
namespace {

// Deeper values could not be copied, compared or released without endangering the stack.
constexpr size_t kValueDepthMax = 512;

constexpr std::string_view kOlderDrafts[] = {"http://json-schema.org/draft-04/schema",
                                             "http://json-schema.org/draft-06/schema",
                                             "http://json-schema.org/draft-07/schema",
                                             "https://json-schema.org/draft/2019-09/schema"};

struct VocabularyName {
  std::string_view name;
  uint8_t bits;
};
constexpr std::string_view kVocabularyPrefix = "https://json-schema.org/draft/2020-12/vocab/";
constexpr std::array kVocabularyNames = {
    VocabularyName{"core", kCore},
    VocabularyName{"applicator", kApplicator},
    VocabularyName{"unevaluated", kUnevaluated},
    VocabularyName{"validation", kValidation},
    VocabularyName{"meta-data", kMetaData},
    VocabularyName{"format-annotation", kFormat},
    VocabularyName{"format-assertion", kFormat},
    VocabularyName{"content", kContent},
};

bool is_anchor_name(std::string_view name) {
  if (name.empty()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool first = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool later = (c >= '0' && c <= '9') || c == '-' || c == '.';
    if (!first && !(i > 0 && later)) return false;
  }
  return true;
}

std::string_view without_empty_fragment(std::string_view uri) {
  if (!uri.empty() && uri.back() == '#') uri.remove_suffix(1);
  return uri;
}

}  // namespace

Result<Schema> Schema::parse(const json::Value& document, const ParseOptions& options) {
  return Parser(options).run(document);
}

std::string Schema::pointer(NodeId id) const {
  const std::string& document = resources_[nodes_[id].resource].document;
  std::vector<const std::string*> steps;
  for (NodeId at = id; at != kNone; at = nodes_[at].parent) steps.push_back(&nodes_[at].step);
  std::string out = document + "#";
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) out += **step;
  return out;
}

NodeId Schema::dynamic_anchor(uint32_t resource, std::string_view name) const {
  for (const auto& [known, node] : resources_[resource].dynamic_anchors) {
    if (known == name) return node;
  }
  return kNone;
}

Result<Schema> Parser::run(const json::Value& document) {
  std::string base = options_.base_uri;
  schema_.root_ = TRY(add_document(base, document));
  TRY(read_pending());
  TRY(resolve_all());
  TRY(check_cycles());
  return std::move(schema_);
}

std::string Parser::place(const Reading& at) const {
  std::string out = schema_.pointer(at.id);
  append_step(out, at.keyword);
  return out;
}

Error Parser::bad(const Reading& at, std::string_view expected, const json::Value& found,
                  std::string_view hint) const {
  return make_error("E0301",
                    fmt::format("{}: expected {}, found {}", place(at), expected, brief(found)),
                    std::string(hint));
}

Result<NodeId> Parser::add_document(const std::string& uri, const json::Value& value) {
  if (deeper_than(value, kValueDepthMax)) {
    return make_error("E0306",
                      fmt::format("schema {} nests deeper than {} levels",
                                  uri.empty() ? "document" : quoted(uri), kValueDepthMax),
                      "move inner schemas to $defs and refer to them");
  }
  const bool main = schema_.resources_.empty();
  Schema::Resource resource{uri, main ? "" : uri, options_.assert_formats, {}};
  const auto* object = value.if_object();
  const json::Value* id = object ? object->if_contains("$id") : nullptr;
  if (id && id->is_string()) {
    resource.uri = resolve_uri(uri, without_empty_fragment(id->get_string()));
  }
  const auto index = static_cast<uint32_t>(schema_.resources_.size());
  resource_by_uri_[uri] = index;
  resource_by_uri_[resource.uri] = index;
  if (main) resource_by_uri_[""] = index;
  schema_.resources_.push_back(std::move(resource));
  vocabularies_.push_back(kAllVocabularies);
  Node node;
  node.resource = index;
  roots_.push_back({kNone, &value});
  const NodeId root = TRY(add_node(std::move(node), value, 1));
  roots_[index].node = root;
  return root;
}

Result<NodeId> Parser::add_node(Node node, const json::Value& value, size_t depth) {
  const auto id = static_cast<NodeId>(schema_.nodes_.size());
  if (value.is_bool()) node.kind = value.get_bool() ? Node::Kind::kTrue : Node::Kind::kFalse;
  schema_.nodes_.push_back(std::move(node));
  depths_.push_back(depth);
  if (depth > options_.depth_max || schema_.nodes_.size() > options_.nodes_max) {
    const bool deep = depth > options_.depth_max;
    return make_error("E0306",
                      fmt::format("{}: expected at most {} {}", schema_.pointer(id),
                                  deep ? options_.depth_max : options_.nodes_max,
                                  deep ? "schemas inside one another" : "schemas"),
                      deep ? "move inner schemas to $defs and refer to them" : "split the schema");
  }
  if (!value.is_bool() && !value.is_object()) {
    return make_error("E0301", fmt::format("{}: expected a schema (an object, true or false), "
                                           "found {}", schema_.pointer(id), brief(value)));
  }
  node_at_[&value] = id;
  if (value.is_object()) pending_.push_back({&value, id});
  return id;
}

Result<NodeId> Parser::add_child(const Reading& at, std::string step, const json::Value& value) {
  Node node;
  node.parent = at.id;
  node.step = std::move(step);
  node.resource = at.node.resource;
  return add_node(std::move(node), value, depths_[at.id] + 1);
}

Status Parser::read_pending() {
  while (!pending_.empty()) {
    const Pending next = pending_.back();
    pending_.pop_back();
    const Node& placed = schema_.nodes_[next.id];
    Reading at{next.id, {}, {}, next.value};
    at.node.parent = placed.parent;
    at.node.step = placed.step;
    at.node.resource = placed.resource;
    TRY(read_object(at, next.value->get_object()));
    schema_.nodes_[next.id] = std::move(at.node);
  }
  return ok_status();
}

Status Parser::read_object(Reading& at, const json::Object& object) {
  TRY(begin_resource(at, object));
  const uint8_t vocabularies = vocabularies_[at.node.resource];
  for (const auto& member : object) {
    at.keyword = member.key();
    TRY(read_keyword(at, member.value(), vocabularies));
  }
  return ok_status();
}

Status Parser::read_keyword(Reading& at, const json::Value& value, uint8_t vocabularies) {
  const Keyword* keyword = find_keyword(at.keyword);
  if (!keyword) {
    std::vector<std::string> names;
    for (const Keyword& one : keywords()) names.emplace_back(one.name);
    const auto nearest = nearest_name(at.keyword, names);
    note_unknown(at, value, nearest ? fmt::format("did you mean '{}'?", *nearest) : "");
  } else if (keyword->vocabulary != kCore && !(keyword->vocabulary & vocabularies)) {
    note_unknown(at, value, "the metaschema named by $schema does not have this keyword");
  } else {
    TRY(keyword->read(*this, at, value));
  }
  return ok_status();
}

// `$id` opens a resource, with a URI of its own that references inside are relative to; `$schema`
// of a resource chooses the vocabularies.
Status Parser::begin_resource(Reading& at, const json::Object& object) {
  const bool document_root = at.node.parent == kNone;
  bool opens = document_root;
  if (const json::Value* id = object.if_contains("$id")) {
    at.keyword = "$id";
    if (!id->is_string()) return bad(at, "a URI reference", *id);
    const std::string_view text = without_empty_fragment(id->get_string());
    if (text.find('#') != text.npos) {
      return bad(at, "a URI reference without fragment", *id,
                 "a name inside a document is $anchor");
    }
    if (!document_root) {
      Schema::Resource resource = schema_.resources_[at.node.resource];
      resource.uri = resolve_uri(resource.uri, text);
      resource.dynamic_anchors.clear();
      const auto index = static_cast<uint32_t>(schema_.resources_.size());
      if (!resource_by_uri_.emplace(resource.uri, index).second) {
        return bad(at, "a URI of its own, another schema has it already", *id);
      }
      vocabularies_.push_back(vocabularies_[at.node.resource]);
      roots_.push_back({at.id, at.value});
      schema_.resources_.push_back(std::move(resource));
      at.node.resource = index;
      schema_.nodes_[at.id].resource = index;
      opens = true;
    }
  }
  const json::Value* schema_uri = object.if_contains("$schema");
  if (!schema_uri || !opens) return ok_status();
  at.keyword = "$schema";
  return read_schema_uri(at, *schema_uri, at.node.resource);
}

Status Parser::read_schema_uri(Reading& at, const json::Value& value, uint32_t resource) {
  if (!value.is_string()) return bad(at, "the URI of a metaschema", value);
  const std::string_view uri = without_empty_fragment(value.get_string());
  if (uri == kDraft202012) return ok_status();
  if (std::find(std::begin(kOlderDrafts), std::end(kOlderDrafts), uri) != std::end(kOlderDrafts)) {
    note_unknown(at, value, "read as draft 2020-12, whose keywords may mean something else");
    return ok_status();
  }
  if (options_.remotes) {
    if (const auto found = options_.remotes->find(uri); found != options_.remotes->end()) {
      vocabularies_[resource] = TRY(read_vocabularies(at, found->second, resource));
      return ok_status();
    }
  }
  return make_error("E0302", fmt::format("{}: no metaschema {} is known", place(at), quoted(uri)),
                    fmt::format("write {} or leave $schema away", kDraft202012));
}

Result<uint8_t> Parser::read_vocabularies(const Reading& at, const json::Value& metaschema,
                                          uint32_t resource) {
  const auto* object = metaschema.if_object();
  const json::Value* list = object ? object->if_contains("$vocabulary") : nullptr;
  if (!list || !list->is_object()) return uint8_t{kAllVocabularies};
  uint8_t bits = kCore;
  for (const auto& member : list->get_object()) {
    std::string_view name = member.key();
    const bool ours = name.substr(0, kVocabularyPrefix.size()) == kVocabularyPrefix;
    if (ours) name.remove_prefix(kVocabularyPrefix.size());
    const auto known = std::find_if(kVocabularyNames.begin(), kVocabularyNames.end(),
                                    [&](const VocabularyName& one) { return one.name == name; });
    const bool required = member.value().is_bool() && member.value().get_bool();
    if (ours && known != kVocabularyNames.end()) {
      bits |= known->bits;
      if (name == "format-assertion") schema_.resources_[resource].assert_formats = true;
    } else if (required) {
      return make_error("E0302", fmt::format("{}: the metaschema requires the vocabulary {}, which "
                                             "is not known", place(at), quoted(member.key())),
                        "use the vocabularies of draft 2020-12");
    }
  }
  return bits;
}

Status Parser::note_reference(const Reading& at, const json::Value& text, bool dynamic) {
  if (!text.is_string()) return bad(at, "a URI reference", text);
  references_.push_back({at.id, std::string(text.get_string()), dynamic});
  return ok_status();
}

Status Parser::note_anchor(const Reading& at, const json::Value& name, bool dynamic) {
  if (!name.is_string() || !is_anchor_name(name.get_string())) {
    return bad(at, "a name of letters, digits, '_', '-' and '.', not beginning with a digit", name);
  }
  const std::string text(name.get_string());
  const auto [entry, fresh] = anchors_.try_emplace({at.node.resource, text}, at.id);
  if (!fresh && entry->second != at.id) {
    return bad(at, fmt::format("a name of its own, {} has it already",
                               schema_.pointer(entry->second)), name);
  }
  if (dynamic) schema_.resources_[at.node.resource].dynamic_anchors.emplace_back(text, at.id);
  return ok_status();
}

void Parser::note_unknown(const Reading& at, const json::Value& value, std::string hint) {
  schema_.unknown_.push_back(
      {schema_.pointer(at.id), std::string(at.keyword), value, std::move(hint)});
}

}  // namespace weft::schema
