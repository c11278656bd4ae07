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
#include <string_view>

namespace weft::text {

// Every run of at most `words_max` words and `bytes_max` bytes, in the order of their beginnings;
// the same text may come several times. `take` says false: enough. `text` is well-formed UTF-8.
void for_each_word_run(std::string_view text, size_t words_max, size_t bytes_max,
                       const std::function<bool(std::string_view)>& take);

}  // namespace weft::text
