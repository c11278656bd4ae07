// SPDX-License-Identifier: Apache-2.0
//
// Which kernel tables this processor can run, chosen once by cpuid. All of them give the same
// bits; the choice is speed only, and tests force each by name. AMX and AVX512_BF16 are chosen
// after a product by each was compared with one by AVX-512. The oldest machine served is x86-64
// with AVX2, FMA and F16C: E0290 below that (the scalar table needs FMA as well).
#pragma once

#include <string_view>
#include <vector>

#include "base/error.h"
#include "tensor/kernels/table.h"

namespace weft::tensor {

// The fastest table of this processor, or E0290.
Result<const KernelTable*> best_table();
// The same of the tables that a processor can run, slowest first; E0290 if there are none.
Result<const KernelTable*> best_of(const std::vector<const KernelTable*>& usable);

// "scalar", "avx2", "avx512", "avx512-bf16" (bf16 products by VDPBF16PS), "amx-int8", "amx" (bf16
// products by AMX, too) or "amx-twin" (AMX's algorithm without AMX); E0290 if the processor lacks
// it, E0291 if there is no such name.
Result<const KernelTable*> table_by_name(std::string_view name);

// All tables that this processor can run, the scalar one first, the fastest last.
std::vector<const KernelTable*> usable_tables();

}  // namespace weft::tensor
