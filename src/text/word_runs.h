// SPDX-License-Identifier: Apache-2.0
//
// The runs of words in a text: what a person would mark in it to copy a name, a number, an address.
// A run begins where a word begins and ends where one ends. A word is what stands between white
// space, quotation marks and brackets, also without the marks around it ("C-17." and "C-17"), and
// without what a neighbouring script has joined to it ("C-17" of "C-17로").
//
// It knows no language: which run is meant is the caller's question. Pure, linear in the text for
// a given number of words.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::text {

class WordRuns {
 public:
  explicit WordRuns(std::string text);  // well-formed UTF-8

  size_t words() const { return words_.size(); }
  // Every run of at most `words_max` words and `bytes_max` bytes, in the order of their
  // beginnings; the same text may come several times. `take` says false: enough. What it is given
  // lives as long as this object.
  void for_each(size_t words_max, size_t bytes_max,
                const std::function<bool(std::string_view)>& take) const;

 private:
  struct Word {
    std::vector<size_t> begins, ends;  // byte offsets, ascending
  };
  struct Char;
  static Word word_of(const std::vector<Char>& chars, size_t from, size_t to, size_t end);

  std::string text_;
  std::vector<Word> words_;
};

}  // namespace weft::text
