// SPDX-License-Identifier: Apache-2.0
#include "security/master_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/strings.h"

namespace weft::security {
namespace {

constexpr size_t kMasterKeysMax = 16;
constexpr size_t kMasterIdBytes = 8;

Error bad_master_key(size_t line, std::string_view what) {
  return make_error("E0511", fmt::format("the master key, line {}: {}", line, what),
                    "64 hexadecimal digits a line: openssl rand -hex 32");
}

}  // namespace

// What is wrong with it is told without a digit of it.
Result<MasterKeys> MasterKeys::parse(std::string_view text) {
  MasterKeys out;
  size_t number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++number;
    const std::string_view word = trim(line.substr(0, line.find('#')));
    if (word.empty()) continue;
    const auto bytes = from_hex(word);
    if (!bytes.ok() || bytes->size() != Secret::kBytes) {
      return bad_master_key(number, fmt::format("expected 64 hexadecimal digits, found {} "
                                                "characters", word.size()));
    }
    Key key;
    std::memcpy(key.secret.data(), bytes->data(), Secret::kBytes);
    key.id = to_hex(keyed_hash(key.secret, "weft master key").substr(0, kMasterIdBytes));
    if (out.find(key.id) != nullptr) continue;
    if (out.keys_.size() == kMasterKeysMax) return bad_master_key(number, "too many keys");
    out.keys_.push_back(std::move(key));
  }
  if (out.keys_.empty()) return bad_master_key(number, "there is no key");
  return out;
}

Result<MasterKeys> MasterKeys::read(const MasterKeySource& source) {
  CHECK(source != nullptr, "no master key to read");
  return parse(TRY(source()));
}

const MasterKeys::Key* MasterKeys::find(std::string_view id) const {
  const auto at = std::find_if(keys_.begin(), keys_.end(),
                               [&](const Key& key) { return key.id == id; });
  return at == keys_.end() ? nullptr : &*at;
}

std::string MasterKeys::ids() const {
  std::vector<std::string> out;
  for (const Key& key : keys_) out.push_back(key.id);
  return join(out, ", ");
}

}  // namespace weft::security
