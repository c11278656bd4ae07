// SPDX-License-Identifier: Apache-2.0
//
// Responses that clients may come back to by id: what was answered, and the whole conversation up
// to there, in OpenAI's message form. In memory, bounded in number and bytes; those that nobody
// has asked for longest go first, and all go with the process. Clients that must not depend on that
// send their conversation themselves.
//
// On the loop.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/json.h"

namespace weft::server {

struct StoredResponse {
  json::Object response;  // as it was answered
  json::Array messages;   // the conversation, the answer included; without instructions
  json::Array input;      // items that were given with it, as they came
};

struct StoredResponsesLimits {
  size_t count = 10'000;
  size_t bytes = size_t{256} << 20;  // of all, as JSON text
};

class StoredResponses {
 public:
  explicit StoredResponses(StoredResponsesLimits limits = {}) : limits_(limits) {}

  // Replaces one of the same id. One that alone is larger than all may be is not kept.
  void put(const std::string& id, StoredResponse response);
  // Null: never stored, deleted, or gone. Asking keeps it longer.
  std::shared_ptr<const StoredResponse> find(const std::string& id);
  bool erase(const std::string& id);

  size_t count() const { return entries_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    std::shared_ptr<const StoredResponse> response;
    size_t bytes = 0;
    std::list<std::string>::iterator age;
  };

  const StoredResponsesLimits limits_;
  std::unordered_map<std::string, Entry> entries_;
  std::list<std::string> ages_;  // ids, the one asked for last in front
  size_t bytes_ = 0;
};

}  // namespace weft::server
