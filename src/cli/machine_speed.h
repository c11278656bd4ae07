// SPDX-License-Identifier: Apache-2.0
//
// How fast this machine reads its memory: what bounds a model that writes one token after the
// other, since each reads all weights once. Good for a guess before anything has run here, and for
// nothing else: caches, other programs and the kind of weights move it by a factor of two.
#pragma once

namespace weft::cli {

// Bytes a second, by all cores together. Measured for about a tenth of a second, with 64 MiB.
double memory_bytes_per_second();

}  // namespace weft::cli
