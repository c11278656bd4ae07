// SPDX-License-Identifier: Apache-2.0
// The safetensors header: whatever the bytes, views lie inside the file and fit their shapes.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  const auto tensors = weft::model::parse_safetensors(file, "input");
  if (!tensors.ok()) return 0;
  size_t sum = 0;
  for (const auto& tensor : tensors.value()) {
    CHECK(tensor.bytes.data() >= file.data());
    CHECK(tensor.bytes.data() + tensor.bytes.size() <= file.data() + file.size());
    sum += tensor.bytes.size();
  }
  CHECK(sum <= size);
  return 0;
}
