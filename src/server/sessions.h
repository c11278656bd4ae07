// SPDX-License-Identifier: Apache-2.0
//
// Sign-ins of browsers: whoever shows a key gets a random session, which travels as an HttpOnly,
// SameSite=Strict cookie, so that no script of a page ever holds a key. What changes something also
// needs the session's second secret in a header, which other sites cannot read or send (CSRF).
//
// A session is as good as its key, whose roles are looked up each time; with the key it ends. That
// of a person, by an identity provider, holds what they might do at sign-in. Sessions live in
// memory, bounded in number and time, and go with the process. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "security/crypto.h"
#include "security/permission.h"

namespace weft::server {

inline constexpr std::string_view kSessionCookie = "weft_session";
inline constexpr std::string_view kCsrfHeader = "X-Weft-CSRF";

struct Session {
  std::string key;   // id of the key; empty: one of the key file, which may do everything
  std::string csrf;
  int64_t end_us = 0;
  std::optional<security::Caller> person = {};  // instead of a key
};

class Sessions {
 public:
  static constexpr int64_t kLifetimeUs = int64_t{12} * 3600 * 1'000'000;
  static constexpr size_t kSessionsMax = 10'000;

  // The new session's secret. Beyond the limit the one that would end first makes room.
  std::string open(const std::string& key, int64_t now_us) {
    return open(Session{key, {}, now_us + kLifetimeUs, {}}, now_us);
  }
  // With its end, and without a `csrf`, which is made here.
  std::string open(Session fresh, int64_t now_us) {
    std::erase_if(sessions_, [&](const auto& entry) { return entry.second.end_us <= now_us; });
    if (sessions_.size() >= kSessionsMax) {
      auto oldest = sessions_.begin();
      for (auto at = sessions_.begin(); at != sessions_.end(); ++at) {
        if (at->second.end_us < oldest->second.end_us) oldest = at;
      }
      sessions_.erase(oldest);
    }
    std::string secret = security::random_text(52);
    fresh.csrf = security::random_text(52);
    sessions_[hashed(secret)] = std::move(fresh);
    return secret;
  }
  // Null: none, or over.
  const Session* find(std::string_view secret, int64_t now_us) const {
    const auto found = sessions_.find(hashed(secret));
    return found != sessions_.end() && now_us < found->second.end_us ? &found->second : nullptr;
  }
  // Whether a person of that key is signed in somewhere.
  bool holds_person(std::string_view key, int64_t now_us) const {
    return std::ranges::any_of(sessions_, [&](const auto& entry) {
      const Session& session = entry.second;
      return session.person && session.person->key == key && now_us < session.end_us;
    });
  }
  void close(std::string_view secret) { sessions_.erase(hashed(secret)); }
  size_t count() const { return sessions_.size(); }

 private:
  // So that the time of a search says nothing about a secret.
  std::string hashed(std::string_view secret) const {
    return security::keyed_hash(pepper_, secret);
  }

  const security::Secret pepper_ = security::Secret::random();
  std::map<std::string, Session, std::less<>> sessions_;
};

// The value of a cookie of a Cookie header; empty if it is not there.
inline std::string_view cookie_of(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    const size_t end = header.find(';');
    std::string_view pair = header.substr(0, end);
    header = end == header.npos ? std::string_view() : header.substr(end + 1);
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=') {
      return pair.substr(name.size() + 1);
    }
  }
  return {};
}

}  // namespace weft::server
