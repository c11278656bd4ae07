// SPDX-License-Identifier: Apache-2.0
//
// Owns a file descriptor: closed exactly once, at the end of the scope. A negative one is nothing.
// Does not look at the result of close: whoever writes must sync before, where errors can be told.
#pragma once

#include <unistd.h>

#include <utility>

namespace weft {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  ~Descriptor() { reset(); }
  void reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }  // somebody else closes it now

 private:
  int fd_;
};

}  // namespace weft
