// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <unistd.h>

#include <cstdio>

#include "cli/config.h"

namespace weft::cli {
namespace {

void write_to(std::FILE* file, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), file);
  std::fflush(file);
}

std::string_view code_of(Colour colour) {
  switch (colour) {
    case Colour::kNone: return "";
    case Colour::kBold: return "\x1b[1m";
    case Colour::kDim: return "\x1b[2m";
    case Colour::kRed: return "\x1b[31m";
    case Colour::kGreen: return "\x1b[32m";
    case Colour::kYellow: return "\x1b[33m";
    case Colour::kBlue: return "\x1b[34m";
    case Colour::kCyan: return "\x1b[36m";
  }
  return "";
}

}  // namespace

bool people_watch() { return ::isatty(STDERR_FILENO) == 1; }

std::string painted(std::string_view text, Colour colour) {
  if (colour == Colour::kNone || !people_watch() || environment("NO_COLOR").has_value()) {
    return std::string(text);
  }
  return std::string(code_of(colour)) + std::string(text) + "\x1b[0m";
}

void print_data(std::string_view text) { write_to(stdout, std::string(text) + "\n"); }
void print_raw(std::string_view text) { write_to(stdout, text); }
void say(std::string_view text) { write_to(stderr, std::string(text) + "\n"); }
void say_raw(std::string_view text) { write_to(stderr, text); }
void say_error(const Error& error) {
  say(painted("error:", Colour::kRed) + " " + error.text());
}

}  // namespace weft::cli
