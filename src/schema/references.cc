// SPDX-License-Identifier: Apache-2.0
//
// The second pass of the parser: `$ref` and `$dynamicRef`.
#include "base/strings.h"
#include "schema/metaschema.h"
#include "schema/parser.h"
#include "schema/pointer.h"
#include "schema/uri.h"

namespace weft::schema {
namespace {

Error hinted(Error error, std::string hint) {
  error.hint = std::move(hint);
  return error;
}

}  // namespace

// Following a reference may read more schemas, and these may bring more references.
Status Parser::resolve_all() {
  for (size_t i = 0; i < references_.size(); ++i) {
    const Reference reference = references_[i];
    TRY(resolve(reference));
    TRY(read_pending());
  }
  return ok_status();
}

Status Parser::resolve(const Reference& reference) {
  const uint32_t base = schema_.nodes_[reference.node].resource;
  std::string uri = resolve_uri(schema_.resources_[base].uri, reference.text);
  const Error otherwise = make_error(
      "E0302", fmt::format("{}/{}: the reference {} leads nowhere",
                           schema_.pointer(reference.node),
                           reference.dynamic ? "$dynamicRef" : "$ref", quoted(reference.text)));
  std::string fragment;
  if (const size_t hash = uri.find('#'); hash != uri.npos) {
    const auto decoded = percent_decoded(std::string_view(uri).substr(hash + 1));
    if (!decoded) return hinted(otherwise, "a '%' in its fragment needs two hexadecimal digits");
    fragment = *decoded;
    uri.resize(hash);
  }
  // "#…" in a document without a name, and inside a resource without one, stays in that resource
  const bool local = uri == schema_.resources_[base].uri;
  const ResourceRoot root = local ? roots_[base] : TRY(resource_root(uri, otherwise));
  const uint32_t resource = schema_.nodes_[root.node].resource;
  NodeId target = root.node;
  const bool named = !fragment.empty() && fragment[0] != '/';
  if (named) {
    target = TRY(at_anchor(resource, fragment, otherwise));
  } else if (!fragment.empty()) {
    target = TRY(at_pointer(root, fragment, otherwise));
  }
  Node& node = schema_.nodes_[reference.node];
  (reference.dynamic ? node.dynamic_ref : node.ref) = target;
  if (reference.dynamic && named && schema_.dynamic_anchor(resource, fragment) == target) {
    node.dynamic_name = fragment;
  }
  return ok_status();
}

Result<Parser::ResourceRoot> Parser::resource_root(const std::string& uri,
                                                   const Error& otherwise) {
  if (const auto known = resource_by_uri_.find(uri); known != resource_by_uri_.end()) {
    return roots_[known->second];
  }
  const json::Value* document = nullptr;
  for (const Remotes* remotes : {options_.remotes, &metaschemas()}) {
    if (document || !remotes) continue;
    if (const auto found = remotes->find(uri); found != remotes->end()) document = &found->second;
  }
  if (!document) {
    return hinted(otherwise, fmt::format("no document {} is registered, and schemas are never "
                                         "fetched: copy it into $defs", quoted(uri)));
  }
  const auto index = schema_.resources_.size();
  TRY(add_document(uri, *document));
  TRY(read_pending());
  return roots_[index];
}

// A pointer may cross into embedded resources, and may name a place that no keyword made a schema
// location ("#/components/x"): such a place is read as a schema now, relative to the nearest node.
Result<NodeId> Parser::at_pointer(const ResourceRoot& root, std::string_view pointer,
                                  const Error& otherwise) {
  const auto steps = parse_pointer(pointer);
  if (!steps.ok()) return hinted(otherwise, steps.error().message);
  const json::Value* value = root.value;
  NodeId nearest = root.node;
  std::string rest;  // from `nearest` to `value`
  for (const std::string& step : *steps) {
    const auto next = find(*value, [&] {
      std::string one;
      append_step(one, step);
      return one;
    }());
    if (!next.ok()) {
      return hinted(otherwise, fmt::format("{} has no {}", schema_.pointer(nearest) + rest,
                                           quoted(step)));
    }
    value = *next;
    append_step(rest, step);
    if (const auto known = node_at_.find(value); known != node_at_.end()) {
      nearest = known->second;
      rest.clear();
    }
  }
  if (rest.empty()) return nearest;
  if (!value->is_object() && !value->is_bool()) {
    return hinted(otherwise, fmt::format("{} is {}, not a schema",
                                         schema_.pointer(nearest) + rest,
                                         json::kind_name(*value)));
  }
  Node node;
  node.parent = nearest;
  node.step = std::move(rest);
  node.resource = schema_.nodes_[nearest].resource;
  return add_node(std::move(node), *value, depths_[nearest] + 1);
}

Result<NodeId> Parser::at_anchor(uint32_t resource, const std::string& name,
                                 const Error& otherwise) {
  if (const auto found = anchors_.find({resource, name}); found != anchors_.end()) {
    return found->second;
  }
  std::vector<std::string> names;
  for (const auto& [key, node] : anchors_) {
    if (key.first == resource) names.push_back(key.second);
  }
  return hinted(otherwise, names.empty() ? "its document has no $anchor; a pointer begins with #/"
                                         : name_hint(name, names));
}

}  // namespace weft::schema
