// SPDX-License-Identifier: Apache-2.0
//
// `weft template`: renders conversations through a chat template, JSON lines on stdin, one answer
// line each on stdout. Needs the template only, no weights. Messages reach the template exactly as
// they are given.
//   {messages, tools?, documents?, add_generation_prompt?, kwargs?: {}, variables?: {bos_token, …},
//    now?: YYYY-MM-DD[T ]HH:MM:SS}  ->  {"text": s} or {"error": s}
#pragma once

#include <string>
#include <string_view>

#include "chat/prompt.h"

namespace weft::cli {

struct TemplateOptions {
  // A directory with tokenizer_config.json or chat_template.jinja; default, fast, deep and embedded
  // mean the embedded model.
  std::string model = "default";
  std::string template_file;  // wins over the model's; may be empty
  bool json = false;          // accepted; the answers always are JSON
};

// kExitOk; kExitFailed if a line had an error; kExitNotFound, kExitConfiguration when there is no
// usable template.
int run_template(const TemplateOptions& options);

// The answer to one line, without a line feed. E0911 for a line that is not such a request.
Result<std::string> answer_template_line(const chat::ChatTemplate& chat, std::string_view line);

}  // namespace weft::cli
