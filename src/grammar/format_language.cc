// SPDX-License-Identifier: Apache-2.0
// The keyword `format` as languages. Each is a part of what schema/format accepts, never more:
// where the standard bounds lengths over several parts (host names, mail addresses) the parts are
// bounded here so that their sum fits, and leap seconds are left out.
#include <array>

#include "grammar/conjunction.h"
#include "grammar/regex.h"

namespace weft::grammar {
namespace {

const std::string kDate =
    "(\\d{4}-(((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01]))|((0[469]|11)-(0[1-9]|[12]\\d|30))"
    "|(02-(0[1-9]|1\\d|2[0-8])))"
    "|(\\d{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)";
const std::string kTime =
    "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d([.]\\d{1,9})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)";
const std::string kDurationDate =
    "(\\d{1,9}Y(\\d{1,9}M(\\d{1,9}D)?)?|\\d{1,9}M(\\d{1,9}D)?|\\d{1,9}D)";
const std::string kDurationTime =
    "(T(\\d{1,9}H(\\d{1,9}M(\\d{1,9}S)?)?|\\d{1,9}M(\\d{1,9}S)?|\\d{1,9}S))";
const std::string kOctet = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const std::string kIpv4 = kOctet + "([.]" + kOctet + "){3}";
const std::string kGroup = "[0-9A-Fa-f]{1,4}";

std::string ipv6() {
  const std::string& h = kGroup;
  std::string out = "((" + h + ":){7}" + h + "|(" + h + ":){1,7}:|:((:" + h + "){1,7}|:)";
  for (int before = 1; before <= 6; ++before) {
    out += fmt::format("|({}:){{{}}}(:{}){{1,{}}}", h, before, h, 7 - before);
  }
  return out + ")";
}

const std::string kLabel = "[A-Za-z0-9](-?[A-Za-z0-9]){0,30}";
const std::string kHost = kLabel + "([.]" + kLabel + "){0,3}";
const std::string kAtom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]";
const std::string kEmail = kAtom + "([.]?" + kAtom + "){0,31}@" + kHost;
const std::string kPchar = "([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})";
const std::string kSegmentNoColon = "([A-Za-z0-9._~!$&'()*+,;=@-]|%[0-9A-Fa-f]{2})";
const std::string kTail = "([?](" + kPchar + "|[/?])*)?(#(" + kPchar + "|[/?])*)?";
const std::string kUri = "[A-Za-z][A-Za-z0-9+.-]{0,15}:(//" + kHost + "(:\\d{1,5})?(/" + kPchar +
                         "*)*|/?" + kPchar + "+(/" + kPchar + "*)*)" + kTail;
const std::string kUriReference =
    "(" + kUri + "|/?" + kSegmentNoColon + "+(/" + kPchar + "*)*" + kTail + ")";
const std::string kPointer = "(/([^/~]|~[01])*)*";

}  // namespace

Result<std::optional<Dfa>> format_language(std::string_view format) {
  const std::array<std::pair<std::string_view, std::string>, 16> formats = {{
      {"date", kDate},
      {"time", kTime},
      {"date-time", kDate + "T" + kTime},
      {"duration", "P(" + kDurationDate + kDurationTime + "?|" + kDurationTime + "|\\d{1,9}W)"},
      {"ipv4", kIpv4},
      {"ipv6", ipv6()},
      {"hostname", kHost},
      {"email", kEmail},
      {"idn-email", kEmail},
      {"uri", kUri},
      {"iri", kUri},
      {"uri-reference", kUriReference},
      {"iri-reference", kUriReference},
      {"uuid", "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"},
      {"json-pointer", kPointer},
      {"relative-json-pointer", "(0|[1-9]\\d{0,8})(#|" + kPointer + ")"},
  }};
  for (const auto& [name, pattern] : formats) {
    if (name != format) continue;
    return std::optional<Dfa>(TRY(regex_language(pattern, Matching::kWhole)));
  }
  return std::optional<Dfa>();
}

}  // namespace weft::grammar
