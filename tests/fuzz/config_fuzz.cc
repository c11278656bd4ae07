// SPDX-License-Identifier: Apache-2.0
// config.json and generation_config.json, divided by a zero byte: what is accepted is bounded and
// has rotary tables without NaN.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t cut = text.find('\0');
  const auto config = weft::model::parse_config(
      text.substr(0, cut), cut == text.npos ? std::string_view() : text.substr(cut + 1));
  if (!config.ok()) return 0;
  CHECK(config->heads % config->kv_heads == 0);
  CHECK(config->window.size() == static_cast<size_t>(config->layers));
  const auto rope = weft::model::rope_frequencies(config->rope, config->head_dim);
  for (const double f : rope.inv_freq) CHECK(std::isfinite(f) && f >= 0);
  CHECK(std::isfinite(rope.attention_factor));
  return 0;
}
