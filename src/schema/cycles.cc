// SPDX-License-Identifier: Apache-2.0
//
// The third pass of the parser. A schema may refer to itself only through a keyword that goes
// into the instance (properties, items, …): {"$ref": "#"} would never end. Edges are the keywords
// that apply to the same place of the instance; a cycle of them is an error. A dynamic reference
// counts with the target it has before the dynamic scope is asked; what the scope makes of it is
// bounded by the validator's depth.
#include "schema/parser.h"

namespace weft::schema {
namespace {

std::vector<NodeId> in_place(const Node& node) {
  std::vector<NodeId> out;
  for (const NodeId id : {node.ref, node.dynamic_ref, node.not_, node.if_, node.then_,
                          node.else_}) {
    if (id != kNone) out.push_back(id);
  }
  for (const auto* list : {&node.all_of, &node.any_of, &node.one_of}) {
    out.insert(out.end(), list->begin(), list->end());
  }
  for (const Property& entry : node.dependent_schemas) out.push_back(entry.node);
  return out;
}

constexpr size_t kPlacesShown = 6;

struct Visit {
  NodeId node;
  std::vector<NodeId> next;
  size_t at = 0;
};

}  // namespace

// Depth first, with a stack of our own: new, on the path, done.
Status Parser::check_cycles() const {
  enum Colour : uint8_t { kNew, kOnPath, kDone };
  std::vector<Colour> colours(schema_.nodes_.size(), kNew);
  for (NodeId start = 0; start < schema_.nodes_.size(); ++start) {
    if (colours[start] != kNew) continue;
    std::vector<Visit> path;
    path.push_back({start, in_place(schema_.nodes_[start])});
    colours[start] = kOnPath;
    while (!path.empty()) {
      Visit& visit = path.back();
      if (visit.at == visit.next.size()) {
        colours[visit.node] = kDone;
        path.pop_back();
        continue;
      }
      const NodeId next = visit.next[visit.at++];
      if (colours[next] == kOnPath) {
        std::string places;
        size_t shown = 0;
        for (const Visit& one : path) {
          if (shown == 0 && one.node != next) continue;
          if (++shown > kPlacesShown) break;
          places += schema_.pointer(one.node) + " -> ";
        }
        if (shown > kPlacesShown) places += "… -> ";
        return make_error("E0303",
                          fmt::format("{}: the reference comes back to its beginning without "
                                      "going into the value: {}{}", schema_.pointer(next), places,
                                      schema_.pointer(next)),
                          "put the recursion below properties, items or another keyword that "
                          "goes into the value");
      }
      if (colours[next] != kNew) continue;
      colours[next] = kOnPath;
      path.push_back({next, in_place(schema_.nodes_[next])});
    }
  }
  return ok_status();
}

}  // namespace weft::schema
