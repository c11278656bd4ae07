// SPDX-License-Identifier: Apache-2.0
//
// The keyword `format`, when it is asserted: dates, addresses, identifiers, by the grammars of
// their RFCs. A format that is not listed here is an annotation, as the specification has it.
// Every check reads the text once and keeps nothing. Of iri and idn-email the ASCII parts
// are judged, of an A-label ("xn--…") the shape; idn-hostname and uri-template are annotations.
#pragma once

#include <optional>
#include <string_view>

namespace weft::schema {

// Whether `text` has the form `format`; nothing if the format is not known.
std::optional<bool> has_format(std::string_view format, std::string_view text);

}  // namespace weft::schema
