// SPDX-License-Identifier: Apache-2.0
#include "net/url.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/hexadecimal.h"
#include "base/strings.h"

namespace weft::net {
namespace {

using Handle = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

constexpr size_t kUrlBytesMax = 16 * 1024;
constexpr int kDecodingsMax = 3;  // a proxy and the server behind it may both decode

Error bad_url(std::string_view text, std::string_view why, std::string_view hint = {}) {
  return make_error("E0802", fmt::format("URL {}: {}", quoted(text), why),
                    hint.empty() ? "write it as https://host/path" : std::string(hint));
}

std::string url_part(CURLU* handle, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(handle, which, &text, flags) != CURLUE_OK) return {};
  std::string out = text;
  curl_free(text);
  return out;
}

// Sets the URL (relative to what the handle holds already) and takes the parts that matter.
Result<Url> read(CURLU* handle, std::string_view text) {
  if (text.size() > kUrlBytesMax) return bad_url(text, "longer than 16 KiB");
  const bool control = std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F;
  });
  if (control) {
    return bad_url(text, "contains a space or control character", "write a space as %20");
  }
  const CURLUcode code = curl_url_set(handle, CURLUPART_URL, std::string(text).c_str(),
                                      CURLU_NON_SUPPORT_SCHEME);
  if (code != CURLUE_OK) return bad_url(text, curl_url_strerror(code));
  Url url;
  url.scheme = url_part(handle, CURLUPART_SCHEME);
  if (url.scheme != "http" && url.scheme != "https") {
    return bad_url(text, fmt::format("expected http or https, found {}", quoted(url.scheme)));
  }
  if (!url_part(handle, CURLUPART_USER).empty() || !url_part(handle, CURLUPART_PASSWORD).empty()) {
    return bad_url("https://…@…", "contains a user name or password",
                   "put credentials into the Authorization header");
  }
  curl_url_set(handle, CURLUPART_FRAGMENT, nullptr, 0);
  url.host = url_part(handle, CURLUPART_HOST);
  for (char& c : url.host) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  // "host." is "host": else the dot would make another name of it
  if (url.host.size() > 1 && url.host.back() == '.') url.host.pop_back();
  if (url.host.empty()) return bad_url(text, "has no host");
  const std::string port = url_part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  std::from_chars(port.data(), port.data() + port.size(), url.port);
  url.text = url_part(handle, CURLUPART_URL);
  return url;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = text[i] == '%' && i + 2 < text.size() ? hexadecimal(text.substr(i + 1, 2))
                                                            : std::nullopt;
    out += byte ? static_cast<char>(*byte) : text[i];
    if (byte) i += 2;
  }
  return out;
}

}  // namespace

Status refuse_dot_segments(std::string_view text) {
  const size_t scheme = text.find("://");
  const size_t begin =
      scheme == text.npos ? 0 : std::min(text.find_first_of("/\\?#", scheme + 3), text.size());
  std::string path(text.substr(begin, text.find_first_of("?#", begin) - begin));
  for (int round = 0; round < kDecodingsMax; ++round) path = percent_decoded(path);
  std::ranges::replace(path, '\\', '/');
  for (std::string_view segment : split(path, '/')) {
    segment = segment.substr(0, segment.find(';'));
    if (segment != "." && segment != "..") continue;
    return bad_url(text, fmt::format("a segment of its path is {}, which would lead elsewhere",
                                     quoted(segment)),
                   "the values that are put into a path should name one thing each");
  }
  return ok_status();
}

Result<Url> parse_url(std::string_view text) {
  const Handle handle(curl_url(), curl_url_cleanup);
  CHECK(handle != nullptr);
  return read(handle.get(), text);
}

Result<Url> resolve_url(const Url& base, std::string_view reference) {
  const Handle handle(curl_url(), curl_url_cleanup);
  CHECK(handle != nullptr);
  TRY(read(handle.get(), base.text));
  return read(handle.get(), reference);
}

Result<Url> with_query(const Url& url,
                       const std::vector<std::pair<std::string, std::string>>& parameters) {
  if (parameters.empty()) return url;
  std::string text = url.text;
  char separator = text.find('?') == text.npos ? '?' : '&';
  for (const auto& [name, value] : parameters) {
    for (const std::string* one : {&name, &value}) {
      text += one == &name ? separator : '=';
      char* escaped = curl_easy_escape(nullptr, one->c_str(), static_cast<int>(one->size()));
      if (!one->empty() && escaped) text += escaped;
      curl_free(escaped);
      if (text.size() > kUrlBytesMax) return bad_url(text, "longer than 16 KiB with its query");
    }
    separator = '&';
  }
  return parse_url(text);
}

}  // namespace weft::net
