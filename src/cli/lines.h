// SPDX-License-Identifier: Apache-2.0
//
// The loop of the commands that answer JSON lines: one request a line on stdin, one answer a line
// on stdout, in order and at once, so that another program can hold a conversation with weft. A
// bad line costs its own answer and the exit code, never the lines after it.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "cli/exit.h"
#include "cli/terminal.h"

namespace weft::cli {

// Lines of stdin, trimmed, blank ones passed over. Lines may be of any length.
class InputLines {
 public:
  InputLines() = default;
  InputLines(const InputLines&) = delete;
  InputLines& operator=(const InputLines&) = delete;
  ~InputLines();
  bool next(std::string_view& line);  // false at the end; `line` holds until the next call

 private:
  char* buffer_ = nullptr;
  size_t capacity_ = 0;
};

std::string field_line(std::string_view field, std::string_view text);  // {"field":"text"}

// answer(line) -> Result<std::string>, without a line feed. kExitOk, or kExitFailed where a line
// had an error; that line's answer is {"error": …}.
template <class Answer> int answer_lines(Answer&& answer) {
  InputLines lines;
  int code = kExitOk;
  for (std::string_view line; lines.next(line);) {
    const Result<std::string> text = answer(line);
    if (!text.ok()) code = kExitFailed;
    print_data(text.ok() ? *text : field_line("error", text.error().text()));
  }
  return code;
}

}  // namespace weft::cli
