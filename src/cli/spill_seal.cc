// SPDX-License-Identifier: Apache-2.0
#include "cli/spill_seal.h"

#include <cstring>
#include <string>

#include "security/crypto.h"

namespace weft::cli {
namespace {

class EphemeralSeal final : public runtime::SpillSeal {
 public:
  size_t overhead() const override { return security::kSealBytes; }

  std::string seal(int64_t slot, std::span<const uint8_t> block) override {
    return security::seal(key_, std::to_string(slot),
                          {reinterpret_cast<const char*>(block.data()), block.size()});
  }

  bool unseal(int64_t slot, std::string_view sealed, std::span<uint8_t> block) override {
    const auto plain = security::unseal(key_, std::to_string(slot), sealed);
    if (!plain || plain->size() != block.size()) return false;
    std::memcpy(block.data(), plain->data(), block.size());
    return true;
  }

 private:
  const security::Secret key_ = security::Secret::random();
};

}  // namespace

std::shared_ptr<runtime::SpillSeal> make_spill_seal() { return std::make_shared<EphemeralSeal>(); }

}  // namespace weft::cli
