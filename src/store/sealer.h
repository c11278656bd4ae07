// SPDX-License-Identifier: Apache-2.0
//
// Values that a store keeps sealed: the one door through which payloads pass on their way into a
// column and out of it. Whoever writes one asks kept(), whoever reads one asks opened(), and both
// name its Place; a value that stands anywhere else does not open. A Db without a Sealer keeps and
// gives back the very bytes, without a copy on the way in.
//
//   kept(db, {"event.body", {run}, {seq}, run}, body)   → what is bound
//   opened(db, {"event.body", {run}, {seq}}, rows.text(1))
//
// Knows no cryptography (security/sealed_db.h does). An empty value is stored as such.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "store/db.h"

namespace weft::store {

// Where a value stands: column and key of its row. Views, for the time of a call.
struct Place {
  std::string_view column;                    // "event.body"
  std::array<std::string_view, 3> key = {};   // the row's key: its texts …
  std::array<int64_t, 2> numbers = {};        // … and numbers
  std::string_view run = {};                  // to seal for the tenant of this run,
  std::string_view tenant = {};               // or, if that is empty, for this one
};

enum class Form : uint8_t { kText, kBlob };  // of the column; sealed text is ASCII

// What every sealed value begins with; no JSON text does, and no list of tokens.
constexpr std::string_view kSealedText = "weft:sealed:1:";
constexpr std::string_view kSealedBlob = "\xffwS1";
inline bool is_sealed(std::string_view stored) {
  return stored.starts_with(kSealedText) || stored.starts_with(kSealedBlob);
}

// Belongs to one connection and to its thread.
class Sealer {
 public:
  virtual ~Sealer() = default;
  virtual Result<std::string> seal(const Place& place, Form form, std::string_view plain) = 0;
  // Of a value for which is_sealed() holds. E0510: it was changed, or does not belong there.
  virtual Result<std::string> open(const Place& place, std::string_view stored) = 0;
};

// The bytes of a column: sealed ones of its own, or a view of those that were given.
class Kept {
 public:
  explicit Kept(std::string_view plain) : plain_(plain) {}
  explicit Kept(std::string&& sealed) : sealed_(std::move(sealed)) {}
  std::string_view bytes() const { return sealed_.empty() ? plain_ : std::string_view(sealed_); }
  Value value() const { return Value(bytes()); }
  Value blob() const { return Value::blob(bytes()); }
  Value or_null() const { return bytes().empty() ? Value(nullptr) : value(); }

 private:
  std::string sealed_;
  std::string_view plain_;
};

inline Result<Kept> kept(Db& db, const Place& place, std::string_view plain,
                         Form form = Form::kText) {
  Sealer* const sealer = db.sealer();
  if (sealer == nullptr || plain.empty()) return Kept(plain);
  return Kept(TRY(sealer->seal(place, form, plain)));
}

// E0508 if it is sealed and the store was opened without its key.
Result<std::string> opened(Db& db, const Place& place, std::string_view stored);

}  // namespace weft::store
