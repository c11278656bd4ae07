// SPDX-License-Identifier: Apache-2.0
//
// Finds what must not leave the house in a text and puts a word in its place: e-mail addresses,
// telephone numbers, payment cards (13 to 19 digits whose check digit is right), Korean resident
// numbers, and patterns of the operator's own. "ada@example.com" becomes "[email]".
//
// A scanner by hand, linear in the text, without state between calls: what is split over two calls
// is not seen. It errs towards finding too much. JSON is taken as text: only what stands inside its
// strings is looked at, and what was JSON before is JSON after.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace weft::security {

struct Redaction {
  bool email = false;
  bool phone = false;
  bool card = false;
  bool resident_number = false;
  // "EMP-#####": # a digit, @ a letter, any other character itself.
  std::vector<std::string> patterns = {};
  bool answers = false;  // of models under /v1 too

  bool none() const {
    return !email && !phone && !card && !resident_number && patterns.empty();
  }
};

// E0768: fewer than four characters, or nothing but # and @ of one kind.
Status check_pattern(std::string_view pattern);

std::string redacted(std::string_view text, const Redaction& what);
// Of JSON, or of server-sent events whose data is JSON.
std::string redacted_json(std::string_view json, const Redaction& what);

}  // namespace weft::security
