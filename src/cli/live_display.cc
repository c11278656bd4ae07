// SPDX-License-Identifier: Apache-2.0
#include "cli/live_display.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "cli/terminal.h"

namespace weft::cli {
namespace {

constexpr int64_t kRedrawNs = 100'000'000;  // ten times a second is as fast as people read

struct Mark {
  std::string_view sign;
  Colour colour;
};

Mark mark_of(std::string_view status) {
  if (status == "succeeded") return {"✓", Colour::kGreen};
  if (status == "skipped") return {"-", Colour::kDim};
  if (status == "failed" || status == "timed_out") return {"✗", Colour::kRed};
  if (status == "cancelled") return {"✗", Colour::kYellow};
  if (status == "waiting" || status == "unknown") return {"…", Colour::kYellow};
  return {"·", Colour::kCyan};
}

std::string seconds_text(int64_t ns) {
  return fmt::format("{:.1f} s", static_cast<double>(ns) / 1e9);
}

}  // namespace

LiveDisplay::LiveDisplay(Env& env, DisplayOptions options)
    : env_(env), options_(options), watched_(people_watch()) {}

void LiveDisplay::clear() {
  if (mid_line_) say_raw("\n");
  if (drawn_) say_raw("\r\x1b[K");
  mid_line_ = false;
  drawn_ = false;
}

void LiveDisplay::show(const worker::Notice& notice) {
  if (options_.quiet) return;
  switch (notice.kind) {
    case worker::Notice::Kind::kStep:
      return show_step(notice);
    case worker::Notice::Kind::kProgress:
      return show_progress(notice);
    case worker::Notice::Kind::kClaimed:
      clear();
      return say(fmt::format("continuing run {} of a stopped worker", notice.run));
    case worker::Notice::Kind::kLost:
      clear();
      if (!notice.why.empty()) return;  // the error is told at the end
      return say(fmt::format("run {} is continued by another process", notice.run));
    case worker::Notice::Kind::kRun:
      return;
  }
}

std::string LiveDisplay::rate_text(const StepLine& line) const {
  const int64_t tokens = line.tokens.tokens_reasoning + line.tokens.tokens_answer;
  if (tokens == 0) return "";
  std::string out;
  if (line.tokens.tokens_reasoning > 0) {
    out += fmt::format("  thinking {}", line.tokens.tokens_reasoning);
  }
  out += fmt::format("  answer {}", line.tokens.tokens_answer);
  const int64_t ns = env_.mono_ns() - line.first_token_ns;
  if (tokens > 1 && ns > 0) {
    out += fmt::format("  {:.0f} tokens/s",
                       static_cast<double>(tokens - 1) * 1e9 / static_cast<double>(ns));
  }
  return out;
}

void LiveDisplay::show_step(const worker::Notice& notice) {
  StepLine& line = steps_[notice.path];
  if (notice.status == line.status) return;
  if (notice.status == "running") line = StepLine{.since_ns = env_.mono_ns()};
  line.status = notice.status;
  const bool lasting = notice.terminal || notice.status == "waiting" || notice.status == "unknown";
  if (lasting || !watched_) {
    clear();
    const Mark mark = mark_of(notice.status);
    std::string text = fmt::format("{} {} {}", painted(mark.sign, mark.colour), notice.path,
                                   painted(notice.status, mark.colour));
    if (line.since_ns != 0 && lasting) {
      text += painted(fmt::format("  {}{}", seconds_text(env_.mono_ns() - line.since_ns),
                                  rate_text(line)),
                      Colour::kDim);
    }
    if (!notice.why.empty()) text += painted("  " + notice.why, Colour::kDim);
    if (lasting || notice.status == "running") say(text);
  }
  if (notice.terminal) steps_.erase(notice.path);
  redraw();
}

void LiveDisplay::show_progress(const worker::Notice& notice) {
  const auto found = steps_.find(notice.path);
  if (found == steps_.end()) return;
  StepLine& line = found->second;
  const worker::StepProgress& progress = notice.progress;
  if (line.first_token_ns == 0) line.first_token_ns = env_.mono_ns();
  line.tokens.tokens_reasoning = progress.tokens_reasoning;
  line.tokens.tokens_answer = progress.tokens_answer;
  if (options_.show_tokens) {
    if (drawn_) clear();
    say_raw(painted(progress.reasoning, Colour::kDim));
    if (!line.answering && !progress.answer.empty() && progress.tokens_reasoning > 0) {
      say_raw("\n");
    }
    line.answering = line.answering || !progress.answer.empty();
    say_raw(progress.answer);
    mid_line_ = mid_line_ || !progress.reasoning.empty() || !progress.answer.empty();
    return;
  }
  if (env_.mono_ns() - last_draw_ns_ >= kRedrawNs) redraw();
}

void LiveDisplay::redraw() {
  if (!watched_ || mid_line_) return;
  std::string text;
  size_t running = 0;
  for (const auto& [path, line] : steps_) {
    if (line.status != "running") continue;
    if (running++ < 3) text += fmt::format("  {}{}", path, rate_text(line));
  }
  clear();
  last_draw_ns_ = env_.mono_ns();
  if (running == 0) return;
  if (running > 3) text += fmt::format("  and {} more", running - 3);
  say_raw(painted("▸", Colour::kCyan) + text);
  drawn_ = true;
}

}  // namespace weft::cli
