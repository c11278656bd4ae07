// SPDX-License-Identifier: Apache-2.0
//
// Walking a tree; reading it from text is in yaml.cc, the only unit that knows yaml-cpp.
#include <utility>
#include <vector>

#include "base/error.h"
#include "workflow/core_schema.h"
#include "workflow/yaml.h"

namespace weft::workflow {

using Kind = YamlTree::Kind;
using Node = YamlTree::Node;

Kind Node::kind() const {
  CHECK(ok());
  return tree_->cells_[at_].kind;
}

std::string_view Node::text() const {
  const Cell& cell = tree_->cells_[at_];
  CHECK(cell.kind != Kind::kList && cell.kind != Kind::kMapping);
  return tree_->stored(cell.first);
}

// The length before the text instead of in the cell saves 3 bytes of 4 for most.
uint32_t YamlTree::store(std::string_view text) {
  const size_t at = text_.size();
  CHECK(at + text.size() < kNone, "documents are bounded");
  size_t rest = text.size();
  for (; rest >= 0x80; rest >>= 7) text_ += static_cast<char>(rest | 0x80);
  text_ += static_cast<char>(rest);
  text_ += text;
  return static_cast<uint32_t>(at);
}

std::string_view YamlTree::stored(uint32_t at) const {
  size_t size = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>(text_[at++]);
    size |= size_t{byte & 0x7fU} << shift;
    if (byte < 0x80) break;
  }
  return std::string_view(text_).substr(at, size);
}

Place Node::place() const {
  const Cell& cell = tree_->cells_[at_];
  return {static_cast<int>(cell.line), static_cast<int>(cell.column)};
}

uint32_t Node::size() const {
  uint32_t count = 0;
  for (auto at = begin(); at != end(); ++at) ++count;
  return count;
}

std::string Node::found() const {
  switch (kind()) {
    case Kind::kNull: return "nothing";
    case Kind::kBoolean: return "the boolean " + std::string(text());
    case Kind::kInteger:
    case Kind::kFloat: return "the number " + std::string(text());
    case Kind::kText: return "the text " + quoted(text(), 40);
    case Kind::kList: return "a list";
    case Kind::kMapping: return "a mapping";
  }
  CHECK(false);
}

json::Value Node::to_json() const {
  switch (kind()) {
    case Kind::kNull:
      return nullptr;
    case Kind::kBoolean:
      return text()[0] == 't' || text()[0] == 'T';
    case Kind::kInteger: {
      const CoreInteger i = core_integer(text());
      if (!i.negative) {
        return i.magnitude <= INT64_MAX ? json::Value(static_cast<int64_t>(i.magnitude))
                                        : json::Value(i.magnitude);
      }
      return static_cast<int64_t>(-i.magnitude);
    }
    case Kind::kFloat:
      return core_double(text()).value_or(0);  // finite: parse() refused what is not
    case Kind::kText:
      return json::Value(text());
    case Kind::kList: {
      json::Array array;
      array.reserve(size());
      for (const Node item : *this) array.push_back(item.to_json());
      return array;
    }
    case Kind::kMapping: {
      json::Object object;
      object.reserve(size());
      for (const Node key : *this) object.emplace(key.text(), key.value().to_json());
      return object;
    }
  }
  CHECK(false);
}

Node::Iterator& Node::Iterator::operator++() {
  at_ = tree_->cells_[at_].next;
  if (pairs_) at_ = tree_->cells_[at_].next;
  return *this;
}

Node::Iterator Node::begin() const {
  CHECK(is_list() || is_mapping());
  return Iterator(tree_, tree_->cells_[at_].first, is_mapping());
}
Node::Iterator Node::end() const { return Iterator(tree_, kNone, is_mapping()); }
Node Node::value() const { return Node(tree_, tree_->cells_[at_].next); }

Node Node::find(std::string_view key) const {
  if (!is_mapping()) return Node();
  for (const Node k : *this) {
    if (k.text() == key) return k.value();
  }
  return Node();
}

// Recursion is bounded by the depth that parse() allows.
void YamlTree::append_canonical(std::string& out, Node node) const {
  switch (node.kind()) {
    case Kind::kList: {
      out += '[';
      bool first = true;
      for (const Node item : node) {
        if (!std::exchange(first, false)) out += ',';
        append_canonical(out, item);
      }
      out += ']';
      return;
    }
    case Kind::kMapping: {
      out += '{';
      bool first = true;
      for (const Node key : node) {
        if (!std::exchange(first, false)) out += ',';
        json::append_quoted(out, key.text());
        out += ':';
        append_canonical(out, key.value());
      }
      out += '}';
      return;
    }
    case Kind::kText:
      json::append_quoted(out, node.text());
      return;
    default:
      out += json::canonical(node.to_json());
  }
}

std::string YamlTree::canonical() const {
  std::string out;
  out.reserve(text_.size() + 16 * cells_.size());  // pages never touched cost nothing
  append_canonical(out, root());
  return out;
}

}  // namespace weft::workflow
