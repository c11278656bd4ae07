// SPDX-License-Identifier: Apache-2.0
//
// One e-mail through an SMTP server, by libcurl: text in UTF-8, headers that nobody can add to, TLS
// where the server offers it. The server is the operator's choice and is not judged by the guard of
// net/client.h.
//
// Blocks. E0628: the mail is malformed, or the server did not take it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace weft::net {

struct MailServer {
  std::string url;       // smtp://host:port or smtps://host:port
  std::string user = {};
  std::string password = {};
};

struct Mail {
  std::string from;             // an address
  std::vector<std::string> to;  // addresses
  std::string subject;
  std::string text;
  std::string message_id;       // without <>: the same for every try of one mail
  int64_t timeout_ms = 60'000;
  const std::atomic<bool>* stop = nullptr;  // set from any thread: given up within about a second
};

// The message as it is sent, CRLF and all.
Result<std::string> mail_text(const Mail& mail, int64_t now_us);
// True: the server took it. False in Error: whether it has may be unknown if it went away.
Status send_mail(const MailServer& server, const Mail& mail, int64_t now_us);

}  // namespace weft::net
