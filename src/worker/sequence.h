// SPDX-License-Identifier: Apache-2.0
//
// Decided versus durable, in types. Every transaction that the executor decides gets the next
// Sequence of its process at once; the disk gets it later, in the same order. Work inside the
// process goes on from what is decided. Whatever leaves the process (an effect, an answer, a
// streamed token, a line on the terminal) is Held until its sequence is durable: the value of a
// Held comes out only against a Durable, and only the journal makes one.
//
// A crash therefore loses a suffix of transactions that nobody outside has seen.
#pragma once

#include <compare>
#include <cstdint>
#include <utility>

#include "base/error.h"

namespace weft::worker {

// Number of a decided transaction of this process: 1, 2, …; 0 is before the first.
struct Sequence {
  uint64_t n = 0;
  auto operator<=>(const Sequence&) const = default;
};

// Proof that everything up to `until` is on disk.
class Durable {
 public:
  Durable() = default;  // nothing yet
  Sequence until() const { return until_; }
  bool covers(Sequence sequence) const { return sequence <= until_; }

 private:
  friend class Journal;
  explicit Durable(Sequence until) : until_(until) {}
  Sequence until_;
};

template <class T>
class Held {
 public:
  Held(T value, Sequence until) : value_(std::move(value)), until_(until) {}
  Sequence until() const { return until_; }
  // What stays inside the process may look already.
  const T& inside() const { return value_; }
  T release(const Durable& durable) && {
    CHECK(durable.covers(until_), "transaction {} leaves before it is on disk ({} is)", until_.n,
          durable.until().n);
    return std::move(value_);
  }

 private:
  T value_;
  Sequence until_;
};

}  // namespace weft::worker
