// SPDX-License-Identifier: Apache-2.0
//
// Which of several servers of one model is asked next, and which are left alone for a while. Pure:
// time is passed in, so that a simulation can try every order of failures.
//
// A request goes to the endpoint that has seen texts which begin alike (their prefix is cached
// there) unless that one is clearly busier than the others; then to the one with the fewest
// requests under way for its weight. A breaker guards each endpoint:
//
//   closed --failures in a row--> open --pause is over--> half open --one good answer--> closed
//                                  ^                          | one failure: twice the pause
//                                  +--------------------------+
//
// Not thread-safe, and no knowledge of HTTP (remote.h has it).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::backend {

struct Endpoint {
  std::string url;      // "http://10.0.0.5:8000/v1", without a slash at the end
  double weight = 1;    // > 0: how much of the load it takes
};

struct BreakerOptions {
  int failures_max = 3;                  // in a row, then it opens
  int64_t pause_us = 1'000'000;          // at first; doubled each time
  int64_t pause_us_max = 60'000'000;
};

class Endpoints {
 public:
  // At least one endpoint.
  Endpoints(std::vector<Endpoint> endpoints, BreakerOptions options = {});

  // The endpoint for a text that begins with `prefix` (a hash), not one of `tried`. Nothing: none
  // may be asked now. Each one taken is given back once.
  std::optional<size_t> take(uint64_t prefix, int64_t now_us,
                             const std::vector<size_t>& tried = {});

  enum class Outcome : uint8_t {
    kGood,      // it answered, whatever it said
    kFailed,    // unreachable, broken off, too slow, 5xx
    kBusy,      // 429, 503 with Retry-After: well, but full
    kNothing,   // cancelled: says nothing about it
  };
  struct News {
    Outcome outcome;
    int64_t taken_us;      // when take() gave it
    int64_t now_us;
    int64_t busy_us = 0;   // of kBusy
  };
  void give_back(size_t index, const News& news);

  // When the first of those that may not be asked may be asked again; now_us if one may be. While
  // a probe is out nobody knows: look again in a tenth of a second.
  int64_t free_at_us(int64_t now_us) const;

  const Endpoint& at(size_t index) const { return states_[index].endpoint; }
  size_t size() const { return states_.size(); }
  int outstanding(size_t index) const { return states_[index].outstanding; }
  // "closed", "open", "half open".
  std::string_view breaker(size_t index, int64_t now_us) const;

 private:
  struct State {
    Endpoint endpoint;
    int outstanding = 0;
    int failures = 0;            // in a row
    bool open = false;
    bool probing = false;        // half open: one request is under way
    int64_t pause_us = 0;        // of the next opening
    int64_t opened_us = 0;       // requests taken before know nothing that it did not know
    int64_t closed_until_us = 0; // nobody asks before
  };
  bool may_ask(const State& state, int64_t now_us) const;
  static double load(const State& state);

  std::vector<State> states_;
  BreakerOptions options_;
};

// Of what a conversation begins with: equal for requests that share system text and tools.
uint64_t prefix_of(std::string_view text);

}  // namespace weft::backend
