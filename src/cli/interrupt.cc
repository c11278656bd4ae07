// SPDX-License-Identifier: Apache-2.0
#include "cli/interrupt.h"

#include <unistd.h>

#include "cli/exit.h"

namespace weft::cli {
namespace {

volatile std::sig_atomic_t interrupt_count = 0;

void count_interrupt(int) {
  interrupt_count = interrupt_count + 1;
  if (interrupt_count > 1) ::_exit(kExitInterrupted);
}

}  // namespace

Interrupt::Interrupt() {
  interrupt_count = 0;
  struct sigaction action {};
  action.sa_handler = count_interrupt;
  ::sigaction(SIGINT, &action, &before_int_);
  ::sigaction(SIGTERM, &action, &before_term_);
}

Interrupt::~Interrupt() {
  ::sigaction(SIGINT, &before_int_, nullptr);
  ::sigaction(SIGTERM, &before_term_, nullptr);
}

bool Interrupt::seen() const { return interrupt_count > 0; }

}  // namespace weft::cli
