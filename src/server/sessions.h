// SPDX-License-Identifier: Apache-2.0
//
// Sign-ins of browsers: whoever shows a key gets a random session, which travels as an HttpOnly,
// SameSite=Strict cookie, so that no script of a page ever holds a key. What changes something also
// needs a second secret in a header, which other sites cannot read or send (CSRF); it follows from
// the first under the server's pepper.
//
// A session is as good as its key, whose roles are looked up each time; with the key it ends. That
// of a person, by an identity provider, holds what they might do at sign-in.
//
// Here are those that this process has met, bounded in number and time; all of them are in the
// store (security/sessions.h). Which of both knows what, access.h decides. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "security/crypto.h"
#include "security/permission.h"

namespace weft::server {

inline constexpr std::string_view kSessionCookie = "weft_session";
inline constexpr std::string_view kCsrfHeader = "X-Weft-CSRF";

struct Session {
  std::string key;   // id of the key, or of a line of the key file (access.h)
  std::string csrf;
  int64_t end_us = 0;
  std::optional<security::Caller> person = {};  // instead of a key
};

class Sessions {
 public:
  static constexpr int64_t kLifetimeUs = int64_t{12} * 3600 * 1'000'000;
  static constexpr size_t kSessionsMax = 10'000;

  explicit Sessions(const security::Secret& pepper) : pepper_(pepper) {}

  // As the store has a session, so that neither it nor the time of a search tells a secret.
  std::string hash_of(std::string_view secret) const {
    return security::keyed_hash(pepper_, std::string("session\n").append(secret));
  }
  // Without its csrf, which is made here. Beyond the limit the one that would end first makes room.
  void add(std::string_view secret, Session session, int64_t now_us) {
    std::erase_if(sessions_, [&](const auto& entry) { return entry.second.end_us <= now_us; });
    if (sessions_.size() >= kSessionsMax) {
      sessions_.erase(std::ranges::min_element(sessions_, {}, [](const auto& entry) {
        return entry.second.end_us;
      }));
    }
    session.csrf = security::to_hex(
        security::keyed_hash(pepper_, std::string("session csrf\n").append(secret)));
    const std::string hash = hash_of(secret);
    absent_.erase(hash);
    sessions_[hash] = std::move(session);
  }
  // Null: none that is known here, or over.
  const Session* find(std::string_view secret, int64_t now_us) const {
    const auto found = sessions_.find(hash_of(secret));
    return found != sessions_.end() && now_us < found->second.end_us ? &found->second : nullptr;
  }
  // Whether a person of that key is signed in somewhere.
  bool holds_person(std::string_view key, int64_t now_us) const {
    return std::ranges::any_of(sessions_, [&](const auto& entry) {
      const Session& session = entry.second;
      return session.person && session.person->key == key && now_us < session.end_us;
    });
  }
  // The store has none of that secret, and never will.
  bool absent(std::string_view secret) const { return absent_.contains(hash_of(secret)); }
  void note_absent(std::string_view secret) {
    if (absent_.size() >= kSessionsMax) absent_.clear();
    absent_.insert(hash_of(secret));
  }
  void forget(const std::string& hash) { sessions_.erase(hash); }
  void forget_all() { sessions_.clear(); }

 private:
  const security::Secret pepper_;
  std::map<std::string, Session, std::less<>> sessions_;  // by hash
  std::set<std::string, std::less<>> absent_;
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
