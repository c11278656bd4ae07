// SPDX-License-Identifier: Apache-2.0
//
// Internal to schema/: the table of keywords of draft 2020-12, with the reader that checks the
// value of each and puts it into the node. One row a keyword; a keyword without a row is unknown.
#pragma once

#include <span>

#include "schema/parser.h"

namespace weft::schema {

struct Keyword {
  std::string_view name;
  Vocabulary vocabulary;
  Status (*read)(Parser& parser, Parser::Reading& at, const json::Value& value);
};

std::span<const Keyword> keywords();
const Keyword* find_keyword(std::string_view name);

}  // namespace weft::schema
