// SPDX-License-Identifier: Apache-2.0
#include "net/mail.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <memory>

#include "base/base64.h"
#include "base/strings.h"

namespace weft::net {
namespace {

constexpr size_t kRecipientsMax = 100;
constexpr size_t kBytesMax = size_t{1} << 20;
constexpr size_t kEncodedWord = 45;  // bytes of text in one encoded word

Error refused(std::string message) { return make_error("E0628", std::move(message)); }

// local@domain in printable ASCII without what would end the envelope or a header.
bool is_address(std::string_view text) {
  const size_t at = text.find('@');
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 127 && c != '<' && c != '>' && c != ',' && c != ';' && c != '"';
  });
  return plain && at != std::string_view::npos && at > 0 && at + 1 < text.size() &&
         text.find('@', at + 1) == std::string_view::npos && text.size() <= 254;
}

// RFC 2047, cut at characters.
std::string header_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    size_t end = std::min(text.size(), kEncodedWord);
    while (end < text.size() && end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
    if (!out.empty()) out += "\r\n ";
    out += fmt::format("=?utf-8?B?{}?=", base64(text.substr(0, end)));
    text.remove_prefix(end);
  }
  return out;
}

std::string date_text(int64_t now_us) {
  const std::time_t seconds = now_us / 1'000'000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} +0000", kDays[utc.tm_wday], utc.tm_mday,
                     kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

struct Upload {
  std::string_view rest;
  static size_t read(char* to, size_t size, size_t count, void* self) {
    auto& upload = *static_cast<Upload*>(self);
    const size_t n = std::min(size * count, upload.rest.size());
    std::memcpy(to, upload.rest.data(), n);
    upload.rest.remove_prefix(n);
    return n;
  }
};

int is_stopped(void* stop, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return *static_cast<const std::atomic<bool>*>(stop) ? 1 : 0;
}

struct Closer {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

}  // namespace

Result<std::string> mail_text(const Mail& mail, int64_t now_us) {
  if (!is_address(mail.from)) return refused(fmt::format("{} is no address", quoted(mail.from)));
  if (mail.to.empty() || mail.to.size() > kRecipientsMax) {
    return refused(fmt::format("a mail goes to 1 to {} addresses, not {}", kRecipientsMax,
                               mail.to.size()));
  }
  for (const std::string& to : mail.to) {
    if (!is_address(to)) return refused(fmt::format("{} is no address", quoted(to)));
  }
  if (invalid_utf8_at(mail.text) || invalid_utf8_at(mail.subject) ||
      mail.text.size() > kBytesMax || mail.subject.size() > 1000) {
    return refused("subject and text of a mail are UTF-8, at most 1,000 bytes and 1 MB");
  }
  std::string out = fmt::format(
      "Date: {}\r\nFrom: <{}>\r\nTo: <{}>\r\nSubject: {}\r\nMessage-ID: <{}>\r\n"
      "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "Content-Transfer-Encoding: base64\r\n\r\n",
      date_text(now_us), mail.from, join(mail.to, ">,\r\n <"), header_text(mail.subject),
      mail.message_id);
  const std::string body = base64(mail.text);
  for (size_t at = 0; at < body.size(); at += 76) out += body.substr(at, 76) + "\r\n";
  return out;
}

Status send_mail(const MailServer& server, const Mail& mail, int64_t now_us) {
  const std::string text = TRY(mail_text(mail, now_us));
  const std::unique_ptr<CURL, Closer> curl(curl_easy_init());
  if (!curl) return refused("libcurl does not start");
  curl_slist* addresses = nullptr;
  for (const std::string& to : mail.to) {
    addresses = curl_slist_append(addresses, fmt::format("<{}>", to).c_str());
  }
  const std::unique_ptr<curl_slist, Closer> recipients(addresses);
  const std::string from = fmt::format("<{}>", mail.from);
  Upload upload{text};
  char message[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl.get(), CURLOPT_URL, server.url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(curl.get(), CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_TRY));
  if (!server.user.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_ALL));
    curl_easy_setopt(curl.get(), CURLOPT_USERNAME, server.user.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_PASSWORD, server.password.c_str());
  }
  curl_easy_setopt(curl.get(), CURLOPT_MAIL_FROM, from.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_MAIL_RCPT, recipients.get());
  curl_easy_setopt(curl.get(), CURLOPT_READFUNCTION, Upload::read);
  curl_easy_setopt(curl.get(), CURLOPT_READDATA, &upload);
  curl_easy_setopt(curl.get(), CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(mail.timeout_ms));
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, message);
  if (mail.stop != nullptr) {
    curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, is_stopped);
    curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, mail.stop);
    curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
  }
  const CURLcode code = curl_easy_perform(curl.get());
  if (code == CURLE_OK) return ok_status();
  return refused(fmt::format("the mail server did not take the mail: {}",
                             message[0] != 0 ? message : curl_easy_strerror(code)));
}

}  // namespace weft::net
