// SPDX-License-Identifier: Apache-2.0
//
// YAML documents as a tree that knows the line and column of every node. JSON documents are read
// by the same door. yaml-cpp scans and reports events; its own Node tree is not used (570 MB for
// 100,000 steps; this tree takes 16 bytes a node and its text).
//
// Plain scalars follow the YAML 1.2 core schema: yes, no, on and off are text; integers are those
// of 64 bits, larger ones stay text. Refused, with place and hint: duplicate keys, keys that are
// not scalars (the trap of an unquoted {{ a }}), invalid UTF-8, control characters, depth above
// 64, more than 10^6 nodes or 64 MiB of text after expansion of aliases, several documents, unknown
// tags, keys of more than 1,000 bytes. What is accepted can be read again from its canonical form.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "workflow/problem.h"

namespace weft::workflow {

struct YamlLimits {
  size_t bytes_max = size_t{64} << 20;  // of the document, and of its texts, aliases expanded
  size_t nodes_max = 1'000'000;  // values; the keys of mappings are not counted
  int depth_max = 64;
};

class YamlTree {
 public:
  enum class Kind : uint8_t { kNull, kBoolean, kInteger, kFloat, kText, kList, kMapping };

  // One node, as long as its tree lives. Cheap to copy.
  class Node {
   public:
    Kind kind() const;
    bool is_text() const { return kind() == Kind::kText; }
    bool is_list() const { return kind() == Kind::kList; }
    bool is_mapping() const { return kind() == Kind::kMapping; }
    std::string_view text() const;  // of a scalar, as written (quoted ones: unquoted)
    Place place() const;
    uint32_t size() const;          // members of a list, pairs of a mapping; walks them
    // How a message names it: "text 'abc'", "the number 7", "a list", "a mapping", "nothing".
    std::string found() const;
    json::Value to_json() const;

    // Walks members (lists) or keys (mappings; value() is behind the key).
    class Iterator {
     public:
      Iterator(const YamlTree* tree, uint32_t at, bool pairs)
          : tree_(tree), at_(at), pairs_(pairs) {}
      Node operator*() const { return Node(tree_, at_); }
      Iterator& operator++();
      bool operator!=(const Iterator& other) const { return at_ != other.at_; }

     private:
      const YamlTree* tree_;
      uint32_t at_;
      bool pairs_;
    };
    Iterator begin() const;
    Iterator end() const;
    Node value() const;             // of a key
    // The value behind `key` of a mapping; ok() tells whether there is one.
    Node find(std::string_view key) const;
    bool ok() const { return tree_ != nullptr; }
    Node() = default;

   private:
    friend class YamlTree;
    Node(const YamlTree* tree, uint32_t at) : tree_(tree), at_(at) {}
    const YamlTree* tree_ = nullptr;
    uint32_t at_ = 0;
  };

  // Problems: E0401 not YAML, E0402 duplicate key, E0403 key is not a scalar, E0404 limits,
  // E0410 merge keys.
  // Nothing is returned but problems if there are any.
  static bool parse(std::string_view text, YamlTree& tree, Problems& problems,
                    const YamlLimits& limits = {});
  Node root() const { return Node(this, root_); }
  size_t node_count() const { return cells_.size(); }

  // The same text for the same document, whatever its layout: compact JSON, members in the order
  // written. The order counts: a model writes the fields of an answer in the order of its schema,
  // and a run continued from this text must end as it would have from the document.
  std::string canonical() const;

  YamlTree() = default;
  YamlTree(YamlTree&&) = default;
  YamlTree& operator=(YamlTree&&) = default;

 private:
  friend class YamlBuilder;
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Cell {  // 16 bytes
    Kind kind : 4 = Kind::kNull;
    uint32_t column : 28 = 1;
    uint32_t line = 1;
    uint32_t first = kNone;  // first child, or where the text lies in text_
    uint32_t next = kNone;   // next sibling; behind a key: its value
  };
  void append_canonical(std::string& out, Node node) const;
  uint32_t store(std::string_view text);         // where it lies now
  std::string_view stored(uint32_t at) const;

  std::deque<Cell> cells_;  // grows without copying
  std::string text_;        // texts, each behind its length: 7 bits a byte, the lowest first
  uint32_t root_ = 0;
};

// The line as it would be right: the part with {{ }} in quotes; empty if the line holds no {{ or
// is quoted already.
std::string quoted_line(std::string_view line);

}  // namespace weft::workflow
