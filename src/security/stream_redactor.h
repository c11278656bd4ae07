// SPDX-License-Identifier: Apache-2.0
//
// Redaction of a text that comes piece by piece: what may still become part of something that must
// not be shown is held until it is certain. Whatever the pieces, what comes out is
//
//   add(a) + add(b) + … + finish()  ==  redacted(a + b + …)      (of JSON: redacted_json)
//
// What was to be JSON and is not (a model of another server answers as it likes) is prose from
// where that shows.
//
// Prose is held for a word or two. Held is at most what has no safe place to cut it: a text of
// nothing but digits and spaces waits for its end.
#pragma once

#include <string>
#include <string_view>

#include "security/redaction.h"

namespace weft::security {

class StreamRedactor {
 public:
  // `rules` outlives it. `json`: only what stands inside strings is looked at.
  StreamRedactor(const Redaction& rules, bool json) : rules_(rules), json_(json) {}

  // What can be shown of all that came so far and was not shown yet.
  std::string add(std::string_view piece);
  // The rest; then it begins anew.
  std::string finish();

 private:
  std::string add_json(std::string_view piece);
  std::string cut();

  const Redaction& rules_;
  const bool json_;
  std::string held_;      // of the text, or of one string of the JSON
  size_t looked_ = 0;     // it can be cut nowhere up to here
  std::string token_;     // of JSON, outside strings, with the space around it
  bool in_string_ = false;
  bool prose_ = false;    // it is no JSON
  size_t escape_ = 0;     // characters that belong to one, yet to come
  bool escape_begun_ = false;
};

// Where behind `from` the text can be cut, whatever may follow: both sides redacted apart are the
// whole redacted. 0: nowhere.
size_t safe_cut(std::string_view text, const Redaction& rules, size_t from = 0);

}  // namespace weft::security
