// SPDX-License-Identifier: Apache-2.0
#include "tensor/tables.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "base/threads.h"
#include "tensor/matrix.h"

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

bool has_avx512_bf16() { return has_avx512() && __builtin_cpu_supports("avx512bf16") != 0; }

// What of AMX there is: its tiles are state that Linux gives a process on request only (kernel
// documentation, "Using XSTATE features in user space applications"): refused where it does not
// know them, or where a signal stack is too small for them. All that have AMX have AVX512_BF16.
bool has_amx(unsigned part) {
  constexpr unsigned kAmxTile = 1u << 24;
  constexpr int kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr int kTileData = 18;               // XFEATURE_XTILEDATA
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (!has_avx512_bf16() || __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  if ((edx & kAmxTile) == 0 || (edx & part) == 0) return false;
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
constexpr unsigned kAmxBf16 = 1u << 22;
constexpr unsigned kAmxInt8 = 1u << 25;

// A product of 11 tokens, 40 rows and 3 groups by a table, with panels as it wants them: of 8-bit
// weights, or of bf16 ones that meet bf16 activations.
std::vector<float> sample_product(const KernelTable& table, WeightType type) {
  constexpr int64_t kRows = 40, kColumns = 96, kTokens = 11;
  const FlushDenormals flush;
  Packer packer(type, kRows, kColumns);
  std::vector<float> values(kColumns);
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t k = 0; k < kColumns; ++k) {
      values[k] = static_cast<float>((row * 37 + k * 101) % 255 - 127) / 7;
    }
    packer.set_row(row, values);
  }
  const Matrix w = std::move(packer).finish();
  std::vector<float> x(kTokens * kColumns);
  // divided by odd numbers, so that no sum is exact and their order shows
  for (size_t i = 0; i < x.size(); ++i) x[i] = (static_cast<float>(i * 61 % 199) - 99.5f) / 3;
  const bool dot = type == WeightType::kBF16;
  const int64_t panel = std::min<int64_t>(dot ? table.dot.panel : table.panel_q8, kTokens);
  const int64_t token_bytes =
      kColumns / kGroup * (dot ? kGroup * table.dot.value_bytes : kPanelGroup);
  std::vector<uint8_t> panels(static_cast<size_t>(kTokens * token_bytes + kPanelSlack));
  for (int64_t t = 0; t < kTokens; t += panel) {
    (dot ? table.dot.pack : table.pack_q8)(x.data() + t * kColumns, kColumns,
                                           std::min(panel, kTokens - t), kColumns,
                                           panels.data() + t * token_bytes);
  }
  std::vector<float> y(kTokens * kRows);
  const MatmulJob job{w.data(), w.strip_bytes(), 0, w.strips(), kRows, kColumns, panels.data(),
                      panel * token_bytes, panel, kTokens, y.data(), kRows, nullptr};
  (dot ? table.dot.matmul : table.matmul_q8)(&job);
  return y;
}

bool as_avx512(const KernelTable& table, WeightType type) {
  return sample_product(table, type) == sample_product(kAvx512Kernels, type);
}

// Whether a unit is there and does what its description says: an emulator or a hypervisor that gets
// it wrong must not cost an answer its bits.
bool bf16_works() {
  static const bool works =
      has_avx512_bf16() && as_avx512(kAvx512Bf16Kernels, WeightType::kBF16);
  return works;
}
bool amx_int8_works() {
  static const bool works =
      bf16_works() && has_amx(kAmxInt8) && as_avx512(kAmxInt8Kernels, WeightType::kQ8);
  return works;
}
bool amx_works() {
  static const bool works =
      amx_int8_works() && has_amx(kAmxBf16) && as_avx512(kAmxKernels, WeightType::kBF16);
  return works;
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
  if (has_avx512()) {
    tables.push_back(&kAmxTwinKernels);
    tables.push_back(&kAvx512Kernels);
  }
  if (bf16_works()) tables.push_back(&kAvx512Bf16Kernels);
  if (amx_int8_works()) tables.push_back(&kAmxInt8Kernels);
  if (amx_works()) tables.push_back(&kAmxKernels);
  return tables;
}

Result<const KernelTable*> best_of(const std::vector<const KernelTable*>& usable) {
  if (usable.empty()) return lacks("AVX2, FMA or F16C");
  return usable.back();
}

Result<const KernelTable*> best_table() { return best_of(usable_tables()); }

Result<const KernelTable*> table_by_name(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kNames = {{
      {"scalar", "AVX2, FMA or F16C"},
      {"avx2", "AVX2, FMA or F16C"},
      {"avx512", "AVX-512 F, BW, DQ, VL or VNNI"},
      {"amx-twin", "AVX-512 F, BW, DQ, VL or VNNI"},
      {"avx512-bf16", "AVX512_BF16"},
      {"amx-int8", "AMX int8, or leave to use it"},
      {"amx", "AMX bf16, or leave to use it"},
  }};
  const auto tables = usable_tables();
  for (const KernelTable* table : tables) {
    if (name == table->name) return table;
  }
  for (const auto& [known, needs] : kNames) {
    if (name == known) return lacks(needs);
  }
  return make_error("E0291", fmt::format("there is no kernel table called {}", quoted(name)),
                    "the tables are scalar, avx2, avx512, avx512-bf16, amx-int8, amx and amx-twin; "
                    "leave it out to get the fastest");
}

}  // namespace weft::tensor
