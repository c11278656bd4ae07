// SPDX-License-Identifier: Apache-2.0
//
// The text between the markers of a tool call, in the forms that models were trained on:
//
//   kJsonLines  \n{"name": …, "arguments": {…}}\n          Qwen3 ("hermes"), Granite 4
//   kJson       {"name": …, "arguments": {…}}              EXAONE 4.0
//   kXml        \n<function=NAME>\n<parameter=P>\nVALUE\n</parameter>\n</function>\n
//               Qwen3-Coder, Qwen3.5 and later, newer Granite; values of type string stand there as
//               they are, others as JSON
//
// Reading is lenient about white space; what cannot be read is no call.
#pragma once

#include <optional>
#include <string_view>

#include "chat/message.h"
#include "chat/tools.h"

namespace weft::chat {

enum class CallFormat { kJsonLines, kJson, kXml };

// `tools` tell the types of XML parameters; a tool that is not there has parameters of text.
std::optional<ToolCall> parse_call(CallFormat format, std::string_view text,
                                   const std::vector<Tool>& tools);

// Whether the text of a call ends inside a value: then a marker that follows is part of the value.
bool inside_value(CallFormat format, std::string_view text);

}  // namespace weft::chat
