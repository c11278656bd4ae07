// SPDX-License-Identifier: Apache-2.0
// config.json and generation_config.json, divided by a zero byte: what is accepted is bounded and
// has rotary tables without NaN.
// sources: src/model/config.cc src/model/config_families.cc src/model/config_fields.cc
// sources: src/model/config_rope.cc src/model/rope.cc src/model/safetensors.cc
// sources: src/model/checkpoint.cc
// sources: src/model/files.cc src/model/stored_tensor.cc src/model/blocks.cc src/model/gguf*.cc
// covers: src/model/config*.cc src/model/rope.cc
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "model/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t cut = text.find('\0');
  std::vector<weft::model::EmbeddedFile> list;
  if (size > 0) list.push_back({"config.json", text.substr(0, cut)});
  if (cut != text.npos) list.push_back({"generation_config.json", text.substr(cut + 1)});
  weft::model::ModelFiles files(std::move(list), "input");
  const auto config = weft::model::load_config(files);
  if (!config.ok()) return 0;
  CHECK(config->heads % config->kv_heads == 0);
  CHECK(config->window.size() == static_cast<size_t>(config->layers));
  CHECK(config->rotated.size() == config->window.size());
  const auto& experts = config->experts;
  CHECK(experts.per_token <= experts.count && (experts.count == 0 || experts.width > 0));
  CHECK(experts.sparse.size() == (experts.count > 0 ? config->window.size() : 0));
  const auto& mamba = config->mamba;
  CHECK(mamba.layers.size() == (mamba.heads > 0 ? config->window.size() : 0));
  if (mamba.heads > 0) {
    CHECK(mamba.heads % mamba.groups == 0 && mamba.head_dim > 0 && mamba.state > 0);
    CHECK(mamba.step_min >= 0 && mamba.step_min <= mamba.step_max);
  }
  CHECK(config->multipliers.logits > 0);
  const auto rope = weft::model::rope_frequencies(config->rope, config->head_dim);
  for (const double f : rope.inv_freq) CHECK(std::isfinite(f) && f >= 0);
  CHECK(std::isfinite(rope.attention_factor));
  weft::model::RopeTable table(config->rope, config->head_dim);
  for (const int positions : {3, 5, 2}) table.reserve(positions);
  for (size_t i = 0; i < 3 * table.pairs(); ++i) {
    CHECK(std::isfinite(table.cos()[i]) && std::isfinite(table.sin()[i]));
  }
  return 0;
}
