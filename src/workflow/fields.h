// SPDX-License-Identifier: Apache-2.0
//
// Reads the keys of one mapping of a document: every key is asked for once, and what nobody asked
// for is unknown. A wrong kind is a problem and leaves the usual value; nothing here throws or
// stops, so that all problems are found in one go.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "workflow/problem.h"
#include "workflow/yaml.h"

namespace weft::workflow {

class Fields {
 public:
  // `what` names the mapping in messages: "step 'classify'". Not a mapping: a problem, and every
  // key is missing.
  Fields(YamlTree::Node node, std::string what, Problems& problems);

  bool ok() const { return node_.ok(); }
  YamlTree::Node node() const { return node_; }
  const std::string& what() const { return what_; }
  Problems& problems() { return problems_; }
  Place place() const { return place_; }

  YamlTree::Node any(std::string_view key);              // ok() is false if it is not there
  YamlTree::Node required(std::string_view key, std::string_view expected);
  std::optional<std::string> text(std::string_view key);
  std::optional<int64_t> integer(std::string_view key, int64_t min, int64_t max);
  std::optional<double> number(std::string_view key, double min, double max);
  std::optional<bool> boolean(std::string_view key);
  std::optional<int64_t> duration_us(std::string_view key);
  // Index of the word in `words`.
  std::optional<size_t> word(std::string_view key, std::initializer_list<std::string_view> words);

  // Reports the keys that nobody asked for.
  void finish();

  void wrong(YamlTree::Node node, std::string_view key, std::string_view expected,
             std::string hint = {});

 private:
  YamlTree::Node node_;
  std::string what_;
  Problems& problems_;
  Place place_;
  std::vector<std::string_view> asked_;
};

// A number or text that is a duration; a problem otherwise.
std::optional<int64_t> read_duration(YamlTree::Node node, std::string_view where,
                                     Problems& problems);

}  // namespace weft::workflow
