// SPDX-License-Identifier: Apache-2.0
//
// Keeps a JSON text free of repeated keys. No automaton can remember the keys of an object, but
// the text itself says where its keys are, whatever the schema: this reader follows it byte by
// byte and knows the keys of all open objects. Used where a schema leaves names of members open
// (maps); listed names come in order and cannot repeat.
//
// Where values of JSON stand within other text, that text is not to be read as JSON: the tracker
// waits, is told where a value begins (begin()), and waits again when nothing of it is open.
//
// Keys are compared as they are written, so the grammar must write each key in one way only.
// Everything is kept in arenas that only grow, so going back is forgetting their ends.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::grammar {

class KeyTracker {
 public:
  struct Mark {  // a place to go back to
    uint32_t frame = 0;
    uint32_t key_begin = 0;
    bool in_string = false, escaped = false, is_key = false, key_next = false;
    bool waits = false;
    size_t frames = 1, keys = 1, bytes = 0;
  };
  // `within_text`: values are told, else all is one value.
  explicit KeyTracker(bool within_text = false)
      : within_text_(within_text), frames_(1), keys_(1) {
    at_.waits = within_text;
  }

  bool waits() const { return at_.waits; }
  void begin();  // of a value, with the next byte

  // False if a key was completed that its object has already.
  bool read(std::string_view bytes);
  // Whether reading would.
  bool repeats(std::string_view bytes);

  Mark mark() const;
  void go_back(const Mark& mark);

  bool in_key() const { return at_.in_string && at_.is_key; }
  // What is missing to each key of the object whose key is being written, if it begins so.
  std::vector<std::string> remainders() const;

 private:
  struct Frame {
    uint32_t below = 0;
    uint32_t keys = 0;  // list, 0: none
    bool object = false;
  };
  struct Key {
    uint32_t begin = 0;
    uint32_t size = 0;
    uint32_t next = 0;
  };
  bool byte(char c);
  bool end_of_key();

  bool within_text_;
  Mark at_;
  std::string text_;
  std::vector<Frame> frames_;
  std::vector<Key> keys_;
};

}  // namespace weft::grammar
