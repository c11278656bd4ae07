// SPDX-License-Identifier: Apache-2.0
//
// As much of RFC 3986 as `$id` and `$ref` need: splitting, resolving a reference against a base,
// percent-decoding of fragments. Identifiers here are names, never dialled: no host is looked up,
// and nothing is normalised beyond the dots of a path.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weft::schema {

struct UriParts {
  std::optional<std::string_view> scheme, authority, query, fragment;
  std::string_view path;
};
// Views into `uri`; every text splits (RFC 3986, appendix B).
UriParts split_uri(std::string_view uri);

// RFC 3986, section 5.2.2. With an empty base the reference itself.
std::string resolve_uri(std::string_view base, std::string_view reference);

// Nothing if a '%' is not followed by two hexadecimal digits.
std::optional<std::string> percent_decoded(std::string_view text);

}  // namespace weft::schema
