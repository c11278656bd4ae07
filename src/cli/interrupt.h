// SPDX-License-Identifier: Apache-2.0
//
// Ctrl-C (SIGINT) and SIGTERM while a command waits: the first asks to stop and is seen by
// seen(); the second ends the process at once. One object at a time; the handlers before it come
// back when it ends.
#pragma once

#include <csignal>

namespace weft::cli {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  bool seen() const;

 private:
  struct sigaction before_int_ {};
  struct sigaction before_term_ {};
};

}  // namespace weft::cli
