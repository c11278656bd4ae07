// SPDX-License-Identifier: Apache-2.0
//
// --think and --no-think, which every command that asks a model has. The same two words mean the
// same everywhere, and both at once are an error.
#pragma once

#include "base/error.h"
#include "chat/thinking.h"

namespace weft::cli {

// E0904.
inline Result<chat::ThinkingMode> thinking_of_flags(bool think, bool no_think) {
  if (think && no_think) {
    return make_error("E0904", "--think and --no-think exclude each other", "give one of them");
  }
  return think      ? chat::ThinkingMode::kOn
         : no_think ? chat::ThinkingMode::kOff
                    : chat::ThinkingMode::kAuto;
}

}  // namespace weft::cli
