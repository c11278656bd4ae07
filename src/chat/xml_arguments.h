// SPDX-License-Identifier: Apache-2.0
//
// The arguments of a tool call in XML as JSON, while the call is written:
//
//   \n<function=NAME>\n   <parameter=a>\nTEXT\n</parameter>\n   …   </function>\n
//   {                     "a": "TEXT"                       , …     }
//
// Text becomes a JSON string, its characters as they come; other values are JSON already and stay
// byte for byte. Spaced as Python's json.dumps, like the calls of the dialects in JSON.
//
// Only for text that a grammar of call_grammar() holds: then a value ends at the first line that
// its end may be, and a parameter is one that the tool's schema names. Pure: text in, text out.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "chat/tools.h"
#include "text/unicode.h"

namespace weft::chat {

class XmlArguments {
 public:
  // Text behind what came before; what it adds to the JSON text. `tools`: those on offer, always
  // the same.
  std::string add(std::string_view text, const std::vector<Tool>& tools);
  // The tool's; empty: it has not come yet.
  const std::string& name() const { return name_; }

 private:
  enum class At { kHead, kNext, kText, kJson, kEnd };
  bool step(std::string_view& left, const Tool* tool, std::string& out);
  bool read_head(std::string_view& left, std::string& out);
  bool read_next(std::string_view& left, const Tool* tool, std::string& out);
  bool read_text(std::string_view& left, std::string& out);
  bool read_json(std::string_view& left, std::string& out);
  void add_text(std::string_view bytes, std::string& out);

  At at_ = At::kHead;
  std::string name_;
  std::string rest_;  // read, but what it is shows with what follows
  bool first_ = true;           // no parameter yet
  text::Utf8Decoder decoder_;   // of a value that is text
};

}  // namespace weft::chat
