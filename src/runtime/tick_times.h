// SPDX-License-Identifier: Apache-2.0
//
// How long the engine's ticks take under the present load, and what that says about the time until
// a text can have ended. Mean and variance are followed twice, by an eighth of every new tick and
// by a thirty-second: the first sees a new load at once, the second remembers the rare long ticks;
// the longer expectation counts. What rows of prompts add to a tick is set apart: who has to wait
// for them knows how many there are. No clock: it is told.
#pragma once

namespace weft::runtime {

class TickTimes {
 public:
  // A tick of `rows` rows took so long; `decoding` sequences got a token from one row each.
  void add(int rows, int decoding, double seconds);

  // Until `passes` more ticks are done, and `rows` rows beyond those that such ticks have. On the
  // careful side: only rarely does it take longer. 0 while nothing is measured.
  double expect(int passes, int rows) const;
  // What the next tick may take, whoever is in it.
  double longest() const { return longest_; }

 private:
  struct Average {
    double mean = 0, variance = 0;
    void add(double value, double share);
  };
  Average quick_, slow_;  // seconds of a tick with decoding rows alone
  double longest_ = 0;    // seconds of the longest tick of late: a tenth shorter every tick
  double row_ = 0;        // seconds that one of many rows adds
};

}  // namespace weft::runtime
