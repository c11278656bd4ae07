// SPDX-License-Identifier: Apache-2.0
#include "server/stored_responses.h"

#include <utility>

#include "base/error.h"

namespace weft::server {

void StoredResponses::put(const std::string& id, StoredResponse response) {
  CHECK(!id.empty(), "a response without an id");
  erase(id);
  const size_t bytes = json::dump(response.response).size() +
                       json::dump(response.messages).size() + json::dump(response.input).size();
  if (bytes > limits_.bytes || limits_.count == 0) return;
  while (entries_.size() >= limits_.count || bytes_ + bytes > limits_.bytes) {
    CHECK(!ages_.empty(), "{} bytes of nothing", bytes_);
    erase(std::string(ages_.back()));
  }
  ages_.push_front(id);
  bytes_ += bytes;
  entries_[id] = {std::make_shared<const StoredResponse>(std::move(response)), bytes,
                  ages_.begin()};
}

std::shared_ptr<const StoredResponse> StoredResponses::find(const std::string& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return nullptr;
  ages_.splice(ages_.begin(), ages_, found->second.age);
  return found->second.response;
}

bool StoredResponses::erase(const std::string& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return false;
  CHECK(bytes_ >= found->second.bytes);
  bytes_ -= found->second.bytes;
  ages_.erase(found->second.age);
  entries_.erase(found);
  return true;
}

}  // namespace weft::server
