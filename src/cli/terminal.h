// SPDX-License-Identifier: Apache-2.0
//
// The only place that writes to stdout and stderr. Data goes to stdout, words for people to
// stderr; colour and redrawing only where stderr is a terminal and NO_COLOR is not set.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace weft::cli {

enum class Colour { kNone, kBold, kDim, kRed, kGreen, kYellow, kBlue, kCyan };

bool people_watch();  // stderr is a terminal
std::string painted(std::string_view text, Colour colour);  // as it is where nobody watches

void print_data(std::string_view text);  // stdout, with a final line feed, at once
void print_raw(std::string_view text);   // stdout, as it is, at once: for text that streams
void say(std::string_view text);         // stderr, with a final line feed
void say_raw(std::string_view text);     // stderr, as it is: for redrawing
void say_error(const Error& error);      // "error: E0123 …" with hint

}  // namespace weft::cli
