// SPDX-License-Identifier: Apache-2.0
#include "tensor/tables.h"

#include <cpuid.h>

#include <array>

#include "base/strings.h"

namespace weft::tensor {
namespace {

// The builtin asks cpuid and also whether the system saves the registers (xgetbv). clang 16, which
// builds the fuzz targets, does not know the name "f16c": leaf 1, ECX bit 29.
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}
bool has_avx2() {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 && has_f16c();
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") != 0 &&
         __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512vnni") != 0;
}

Error lacks(std::string_view what) {
  return make_error("E0290",
                    fmt::format("this processor lacks {}, which the kernels need", what),
                    "run weft on x86-64 with AVX2, FMA and F16C (2013 or later); in a virtual "
                    "machine pass the host's processor through");
}

}  // namespace

std::vector<const KernelTable*> usable_tables() {
  std::vector<const KernelTable*> tables;
  if (has_avx2()) tables = {&kScalarKernels, &kAvx2Kernels};
  if (has_avx512()) tables.push_back(&kAvx512Kernels);
  return tables;
}

Result<const KernelTable*> best_table() {
  const auto tables = usable_tables();
  if (tables.empty()) return lacks("AVX2, FMA or F16C");
  return tables.back();
}

Result<const KernelTable*> table_by_name(std::string_view name) {
  constexpr std::array<std::string_view, 3> kNames = {"scalar", "avx2", "avx512"};
  const auto tables = usable_tables();
  for (const KernelTable* table : tables) {
    if (name == table->name) return table;
  }
  for (const std::string_view known : kNames) {
    if (name == known) return lacks(name == "avx512" ? "AVX-512 F, BW, DQ, VL or VNNI" : "AVX2");
  }
  return make_error("E0291", fmt::format("there is no kernel table called {}", quoted(name)),
                    "the tables are scalar, avx2 and avx512; leave it out to get the fastest");
}

}  // namespace weft::tensor
