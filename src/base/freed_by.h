// SPDX-License-Identifier: Apache-2.0
//
// Owning pointers to what C libraries make: std::unique_ptr<BIO, FreedBy<BIO_free>> frees with that
// function. The one idea: the type names the function, so that none is forgotten or mixed up.
#pragma once

#include <memory>

namespace weft {

template <auto kFree>
struct FreedBy {
  template <class T>
  void operator()(T* held) const {
    kFree(held);
  }
};

}  // namespace weft
