// SPDX-License-Identifier: Apache-2.0
#include "grammar/key_tracker.h"

#include "base/error.h"

namespace weft::grammar {

bool KeyTracker::read(std::string_view bytes) {
  bool fresh = true;
  for (const char c : bytes) fresh = (at_.waits || byte(c)) && fresh;
  return fresh;
}

void KeyTracker::begin() {
  CHECK(at_.waits && !at_.in_string && at_.frame == 0);
  at_.waits = false;
  at_.key_next = false;
}

bool KeyTracker::repeats(std::string_view bytes) {
  const Mark before = mark();
  const bool fresh = read(bytes);
  go_back(before);
  return !fresh;
}

KeyTracker::Mark KeyTracker::mark() const {
  Mark mark = at_;
  mark.frames = frames_.size();
  mark.keys = keys_.size();
  mark.bytes = text_.size();
  return mark;
}

void KeyTracker::go_back(const Mark& mark) {
  at_ = mark;
  frames_.resize(mark.frames);
  keys_.resize(mark.keys);
  text_.resize(mark.bytes);
}

bool KeyTracker::byte(char c) {
  bool fresh = true;
  if (at_.in_string) {
    if (at_.escaped) {
      at_.escaped = false;
    } else if (c == '\\') {
      at_.escaped = true;
    } else if (c == '"') {
      at_.in_string = false;
      if (at_.is_key) fresh = end_of_key();
    }
  } else if (c == '"') {
    at_.in_string = true;
    at_.is_key = at_.key_next;
    at_.key_begin = static_cast<uint32_t>(text_.size() + 1);
  } else if (c == '{' || c == '[') {
    frames_.push_back({at_.frame, 0, c == '{'});
    at_.frame = static_cast<uint32_t>(frames_.size() - 1);
    at_.key_next = c == '{';
  } else if (c == '}' || c == ']') {
    at_.frame = frames_[at_.frame].below;
    at_.key_next = false;
  } else if (c == ',') {
    at_.key_next = frames_[at_.frame].object;
  } else if (c == ':') {
    at_.key_next = false;
  }
  text_ += c;
  at_.waits = within_text_ && at_.frame == 0 && !at_.in_string;
  return fresh;
}

// The frame with one more key is a new frame: marks hold the old one.
bool KeyTracker::end_of_key() {
  const auto size = static_cast<uint32_t>(text_.size() - at_.key_begin);
  const std::string_view all = text_;
  const std::string_view key = all.substr(at_.key_begin, size);
  Frame frame = frames_[at_.frame];
  bool fresh = true;
  for (uint32_t k = frame.keys; k != 0 && fresh; k = keys_[k].next) {
    fresh = all.substr(keys_[k].begin, keys_[k].size) != key;
  }
  keys_.push_back({at_.key_begin, size, frame.keys});
  frame.keys = static_cast<uint32_t>(keys_.size() - 1);
  frames_.push_back(frame);
  at_.frame = static_cast<uint32_t>(frames_.size() - 1);
  return fresh;
}

std::vector<std::string> KeyTracker::remainders() const {
  std::vector<std::string> out;
  if (!in_key()) return out;
  const std::string_view all = text_;
  const std::string_view prefix = all.substr(at_.key_begin);
  for (uint32_t k = frames_[at_.frame].keys; k != 0; k = keys_[k].next) {
    const std::string_view key = all.substr(keys_[k].begin, keys_[k].size);
    if (key.starts_with(prefix)) out.emplace_back(key.substr(prefix.size()));
  }
  return out;
}

}  // namespace weft::grammar
