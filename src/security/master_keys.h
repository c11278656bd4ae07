// SPDX-License-Identifier: Apache-2.0
//
// The master keys of a store: what wraps its data keys (data_keys.h), and is never in it. They come
// as a text, from wherever the operator keeps it:
//
//   64 hexadecimal digits a line, '#' begins a comment; the first key wraps, all unwrap
//
// so that a new key is put in front of the old one, the data keys are wrapped anew, and the old one
// is taken away, while every process goes on. A key is known by its id, which tells nothing of it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "security/crypto.h"

namespace weft::security {

// Reads the text afresh: a process that meets a data key wrapped by a master key that it does not
// know looks whether there is a new one. E0511. Empty: the store has no master key.
using MasterKeySource = std::function<Result<std::string>()>;

class MasterKeys {
 public:
  struct Key {
    std::string id;  // 16 hexadecimal digits
    Secret secret;
  };
  static Result<MasterKeys> parse(std::string_view text);  // E0511
  static Result<MasterKeys> read(const MasterKeySource& source);
  const Key& current() const { return keys_.front(); }
  const Key* find(std::string_view id) const;  // null: it is none of these
  std::string ids() const;                     // for people

 private:
  std::vector<Key> keys_;  // not empty
};

}  // namespace weft::security
