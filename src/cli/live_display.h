// SPDX-License-Identifier: Apache-2.0
//
// A run on the terminal while it goes on: one line for each step that ended, below them one line
// that changes in place (what runs, tokens a second, thinking and answer apart). Where nobody
// watches, plain lines for every change of state and no line that changes. It only shows what the
// executor released: everything here is on disk already.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/env.h"
#include "worker/notice.h"

namespace weft::cli {

struct DisplayOptions {
  bool quiet = false;        // only errors
  bool show_tokens = false;  // print what models write
};

class LiveDisplay {
 public:
  LiveDisplay(Env& env, DisplayOptions options);
  void show(const worker::Notice& notice);
  // Removes the line that changes in place. Before anything else is printed.
  void clear();

 private:
  struct StepLine {
    std::string status = {};
    int64_t since_ns = 0;          // of the attempt
    int64_t first_token_ns = 0;
    worker::StepProgress tokens = {};  // newest counts
    bool answering = false;
  };
  void show_step(const worker::Notice& notice);
  void show_progress(const worker::Notice& notice);
  void redraw();
  std::string rate_text(const StepLine& line) const;

  Env& env_;
  DisplayOptions options_;
  bool watched_;
  bool drawn_ = false;       // the changing line is on the screen
  bool mid_line_ = false;    // streamed tokens ended without a line feed
  int64_t last_draw_ns_ = 0;
  std::map<std::string, StepLine> steps_;  // not ended
};

}  // namespace weft::cli
