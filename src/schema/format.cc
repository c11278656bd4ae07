// SPDX-License-Identifier: Apache-2.0
#include "schema/format.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/strings.h"
#include "schema/pointer.h"
#include "schema/regex.h"
#include "schema/uri.h"

namespace weft::schema {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }
bool is_alnum(char c) { return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'); }

// Reads a text from the left; every step says whether it fitted.
struct Reader {
  std::string_view rest;

  bool end() const { return rest.empty(); }
  bool sign(std::string_view any_of) {
    if (rest.empty() || any_of.find(rest[0]) == any_of.npos) return false;
    rest.remove_prefix(1);
    return true;
  }
  bool digits(size_t count, int low, int high, int* value = nullptr) {
    if (rest.size() < count) return false;
    int number = 0;
    for (size_t i = 0; i < count; ++i) {
      if (!is_digit(rest[i])) return false;
      number = number * 10 + (rest[i] - '0');
    }
    rest.remove_prefix(count);
    if (value) *value = number;
    return number >= low && number <= high;
  }
  size_t run_of_digits() {
    size_t count = 0;
    while (count < rest.size() && is_digit(rest[count])) ++count;
    rest.remove_prefix(count);
    return count;
  }
};

// RFC 3339, section 5.6: full-date
bool read_date(Reader& in) {
  int year = 0;
  int month = 0;
  int day = 0;
  if (!in.digits(4, 0, 9999, &year) || !in.sign("-") || !in.digits(2, 1, 12, &month) ||
      !in.sign("-") || !in.digits(2, 1, 31, &day)) {
    return false;
  }
  constexpr std::array kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return day <= kDays[static_cast<size_t>(month - 1)] + (leap && month == 2 ? 1 : 0);
}

// RFC 3339: full-time; second 60 only where a leap second can be, 23:59:60 UTC
bool read_time(Reader& in) {
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (!in.digits(2, 0, 23, &hour) || !in.sign(":") || !in.digits(2, 0, 59, &minute) ||
      !in.sign(":") || !in.digits(2, 0, 60, &second)) {
    return false;
  }
  if (in.sign(".") && in.run_of_digits() == 0) return false;
  int offset = 0;
  if (!in.sign("zZ")) {
    const bool minus = !in.rest.empty() && in.rest[0] == '-';
    int hours = 0;
    int minutes = 0;
    if (!in.sign("+-") || !in.digits(2, 0, 23, &hours) || !in.sign(":") ||
        !in.digits(2, 0, 59, &minutes)) {
      return false;
    }
    offset = (hours * 60 + minutes) * (minus ? -1 : 1);
  }
  const int utc = (hour * 60 + minute - offset + 2 * 1440) % 1440;
  return second < 60 || utc == 1439;
}

bool is_date(std::string_view text) {
  Reader in{text};
  return read_date(in) && in.end();
}
bool is_time(std::string_view text) {
  Reader in{text};
  return read_time(in) && in.end();
}
bool is_date_time(std::string_view text) {
  Reader in{text};
  return read_date(in) && in.sign("tT") && read_time(in) && in.end();
}

// RFC 3339, appendix A: P1Y2M3DT4H5M6S, each unit followed by the next smaller one, or P3W
bool is_duration(std::string_view text) {
  Reader in{text};
  if (!in.sign("P") || in.end()) return false;
  std::string_view units = "YMD";
  size_t last = units.npos;
  bool any = false;
  bool in_time = false;
  while (!in.end()) {
    if (!in_time && in.sign("T")) {
      if (in.end()) return false;
      in_time = true;
      units = "HMS";
      last = units.npos;
      continue;
    }
    if (in.run_of_digits() == 0 || in.end()) return false;
    if (in.sign("W")) return !any && in.end();
    const size_t unit = units.find(in.rest[0]);
    if (unit == units.npos || (last != units.npos && unit != last + 1)) return false;
    last = unit;
    any = true;
    in.rest.remove_prefix(1);
  }
  return any;
}

// RFC 2673 section 3.2: four decimal numbers without leading zeros
bool is_ipv4(std::string_view text) {
  const auto parts = split(text, '.');
  if (parts.size() != 4) return false;
  for (const std::string_view part : parts) {
    if (part.empty() || part.size() > 3 || (part[0] == '0' && part.size() > 1)) return false;
    int value = 0;
    for (const char c : part) {
      if (!is_digit(c)) return false;
      value = value * 10 + (c - '0');
    }
    if (value > 255) return false;
  }
  return true;
}

// RFC 4291 section 2.2: eight groups, one "::" for at least one of them, IPv4 for the last two
bool is_ipv6(std::string_view text) {
  const size_t gap = text.find("::");
  if (gap != text.npos && text.find("::", gap + 1) != text.npos) return false;
  size_t groups = 0;
  const auto count = [&](std::string_view half, bool last_half) {
    if (half.empty()) return true;
    const auto parts = split(half, ':');
    for (size_t i = 0; i < parts.size(); ++i) {
      if (last_half && i + 1 == parts.size() && parts[i].find('.') != parts[i].npos) {
        groups += 2;
        return is_ipv4(parts[i]);
      }
      if (parts[i].empty() || parts[i].size() > 4) return false;
      if (!std::all_of(parts[i].begin(), parts[i].end(), is_hex)) return false;
      ++groups;
    }
    return true;
  };
  if (gap == text.npos) return count(text, true) && groups == 8;
  return count(text.substr(0, gap), false) && count(text.substr(gap + 2), true) && groups <= 7;
}

// RFC 1123 section 2.1: labels of letters, digits and inner hyphens, 63 bytes, 253 in all. A label
// with "--" in the third and fourth place is reserved for A-labels (RFC 5891 section 4.2.3.1).
bool is_hostname(std::string_view text, bool beyond_ascii) {
  if (text.empty() || text.size() > 253) return false;
  for (const std::string_view label : split(text, '.')) {
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') {
      return false;
    }
    for (const char c : label) {
      const bool wide = beyond_ascii && static_cast<unsigned char>(c) >= 0x80;
      if (!is_alnum(c) && c != '-' && !wide) return false;
    }
    const bool a_label = label.substr(0, 4) == "xn--" && label.size() > 4;
    if (label.size() >= 4 && label.substr(2, 2) == "--" && !a_label) return false;
  }
  return true;
}

// RFC 5321 section 4.1.2: Mailbox
bool is_email(std::string_view text, bool beyond_ascii) {
  const size_t at = text.rfind('@');
  if (at == text.npos || at == 0 || at > 64) return false;
  const std::string_view local = text.substr(0, at);
  const std::string_view domain = text.substr(at + 1);
  constexpr std::string_view kAtext = "!#$%&'*+-/=?^_`{|}~";
  if (local.front() == '"') {
    if (local.size() < 2 || local.back() != '"') return false;
    for (size_t i = 1; i + 1 < local.size(); ++i) {
      if (local[i] == '"') return false;
      if (local[i] == '\\' && ++i + 1 >= local.size()) return false;
    }
  } else {
    for (const std::string_view atom : split(local, '.')) {
      if (atom.empty()) return false;
      for (const char c : atom) {
        const bool wide = beyond_ascii && static_cast<unsigned char>(c) >= 0x80;
        if (!is_alnum(c) && kAtext.find(c) == kAtext.npos && !wide) return false;
      }
    }
  }
  if (domain.size() > 2 && domain.front() == '[' && domain.back() == ']') {
    const std::string_view address = domain.substr(1, domain.size() - 2);
    return address.substr(0, 5) == "IPv6:" ? is_ipv6(address.substr(5)) : is_ipv4(address);
  }
  return is_hostname(domain, beyond_ascii);
}

bool is_authority(std::string_view authority, bool beyond_ascii) {
  if (const size_t at = authority.rfind('@'); at != authority.npos) {
    if (authority.substr(0, at).find_first_of("[]@") != authority.npos) return false;
    authority.remove_prefix(at + 1);
  }
  std::string_view port;
  if (!authority.empty() && authority[0] == '[') {
    const size_t close = authority.find(']');
    if (close == authority.npos) return false;
    const std::string_view address = authority.substr(1, close - 1);
    if (!is_ipv6(address) && (address.empty() || (address[0] | 0x20) != 'v')) return false;
    port = authority.substr(close + 1);
    if (!port.empty() && port[0] != ':') return false;
    if (!port.empty()) port.remove_prefix(1);
  } else {
    const size_t colon = authority.find(':');
    if (beyond_ascii && colon != authority.npos && is_ipv6(authority)) return false;
    if (colon != authority.npos) port = authority.substr(colon + 1);
    if (authority.find_first_of("[]") != authority.npos) return false;
  }
  return std::all_of(port.begin(), port.end(), is_digit);
}

// RFC 3986 (RFC 3987 with beyond_ascii): allowed characters, percent triplets, authority
bool is_uri(std::string_view text, bool absolute, bool beyond_ascii) {
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) >= 0x80) {
      if (!beyond_ascii) return false;
    } else if (c == '%') {
      if (i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return false;
    } else if (!is_alnum(c) && std::string_view("-._~:/?#[]@!$&'()*+,;=").find(c) ==
                                   std::string_view::npos) {
      return false;
    }
  }
  const UriParts parts = split_uri(text);
  if (absolute && !parts.scheme) return false;
  if (!parts.scheme && !parts.authority) {  // a colon in the first segment would be a scheme
    const std::string_view first = parts.path.substr(0, parts.path.find('/'));
    if (first.find(':') != first.npos) return false;
  }
  if (parts.path.find_first_of("[]") != parts.path.npos) return false;
  if (parts.fragment && parts.fragment->find_first_of("#[]") != parts.fragment->npos) return false;
  return !parts.authority || is_authority(*parts.authority, beyond_ascii);
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !is_hex(text[i])) return false;
  }
  return true;
}

// draft-bhutton-relative-json-pointer-00: number, then '#' or a JSON pointer
bool is_relative_pointer(std::string_view text) {
  Reader in{text};
  const size_t digits = in.run_of_digits();
  if (digits == 0 || (digits > 1 && text[0] == '0')) return false;
  return in.rest == "#" || parse_pointer(in.rest).ok();
}

struct Entry {
  std::string_view name;
  bool (*check)(std::string_view);
};
constexpr std::array kFormats = {
    Entry{"date", is_date},
    Entry{"time", is_time},
    Entry{"date-time", is_date_time},
    Entry{"duration", is_duration},
    Entry{"ipv4", is_ipv4},
    Entry{"ipv6", is_ipv6},
    Entry{"hostname", [](std::string_view t) { return is_hostname(t, false); }},
    Entry{"email", [](std::string_view t) { return is_email(t, false); }},
    Entry{"idn-email", [](std::string_view t) { return is_email(t, true); }},
    Entry{"uri", [](std::string_view t) { return is_uri(t, true, false); }},
    Entry{"uri-reference", [](std::string_view t) { return is_uri(t, false, false); }},
    Entry{"iri", [](std::string_view t) { return is_uri(t, true, true); }},
    Entry{"iri-reference", [](std::string_view t) { return is_uri(t, false, true); }},
    Entry{"uuid", is_uuid},
    Entry{"json-pointer", [](std::string_view t) { return parse_pointer(t).ok(); }},
    Entry{"relative-json-pointer", is_relative_pointer},
    Entry{"regex", [](std::string_view t) { return Regex::compile(t).ok(); }},
};

}  // namespace

std::optional<bool> has_format(std::string_view format, std::string_view text) {
  for (const Entry& entry : kFormats) {
    if (entry.name == format) return entry.check(text);
  }
  return std::nullopt;
}

}  // namespace weft::schema
