// SPDX-License-Identifier: Apache-2.0
//
// `weft tokenize`: JSON lines on stdin, one answer line each on stdout. Needs only the tokenizer
// of the model, no weights.
//   {"text": s, "untrusted": bool?, "specials_as_text": bool?}  ->  {"ids": [...]}
//   {"ids": [...], "skip_special": bool?}                        ->  {"text": s}
// A line that cannot be answered gives {"error": s}, and the next line is read.
#pragma once

#include <string>
#include <string_view>

#include "text/tokenizer.h"

namespace weft::cli {

struct TokenizeOptions {
  std::string model;  // a name, or a directory with tokenizer.json
  bool json = false;  // changes nothing: the answers always are
};

// kExitOk; kExitFailed if a line had an error; kExitNotFound without such a file;
// kExitConfiguration if it cannot be used.
int run_tokenize(const TokenizeOptions& options);

// The answer to one line, without a line feed. E0910 for a line that is not such a request.
Result<std::string> answer_tokenize_line(const text::Tokenizer& tokenizer, std::string_view line);

}  // namespace weft::cli
