// SPDX-License-Identifier: Apache-2.0
//
// Whether this build runs under a sanitizer, which makes arithmetic five to twenty times slower.
// Tests of arithmetic ask here in order to repeat themselves less often; every case of a test must
// still occur at least once.
#pragma once

namespace weft {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kInstrumented = true;
#else
inline constexpr bool kInstrumented = false;
#endif

}  // namespace weft
