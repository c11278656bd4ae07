// SPDX-License-Identifier: Apache-2.0
#include "model/footprint.h"

#include <fmt/format.h>

#include "base/memory.h"

namespace weft::model {
namespace {

// What a model needs besides weights and cache: activations, tokenizer, the program itself.
constexpr uint64_t kReserveBytes = uint64_t{64} << 20;

bool is_scale(const Checkpoint& checkpoint, const StoredTensor& tensor) {
  for (const std::string_view ending : {"_scale", "_offset"}) {
    if (!tensor.name.ends_with(ending)) continue;
    const auto base = std::string_view(tensor.name).substr(0, tensor.name.size() - ending.size());
    if (checkpoint.find(base) != nullptr) return true;
  }
  return false;
}

}  // namespace

Footprint footprint(const Config& config, const Checkpoint& checkpoint, Precision precision) {
  Footprint out;
  for (const StoredTensor& tensor : checkpoint.tensors()) {
    out.file_bytes += tensor.byte_count();
    if (is_scale(checkpoint, tensor)) continue;
    const int64_t columns = tensor.columns() * (tensor.dtype == DType::kU8 ? 2 : 1);
    const auto elements = static_cast<uint64_t>(tensor.rows() * columns);
    // A tied head may lie in the file and is not loaded.
    if (config.tied_head && tensor.name == "lm_head.weight") continue;
    out.parameters += elements;
    out.stored[tensor.dtype_name] += elements;
    out.weight_bytes += tensor.rows() > 1
                            ? tensor::Matrix::bytes_of(packed_type(tensor.dtype, precision),
                                                       tensor.rows(), columns)
                            : elements * sizeof(float);
  }
  uint64_t attention_layers = 0;
  for (int layer = 0; layer < config.layers; ++layer) {
    if (!config.is_mamba(layer)) ++attention_layers;
  }
  const tensor::KvLayout layout{config.kv_heads, config.head_dim, default_kv_type(precision)};
  out.kv_token_bytes = attention_layers * static_cast<uint64_t>(layout.block_bytes()) / 32;
  if (config.mamba.heads > 0) {
    const uint64_t mamba_layers = static_cast<uint64_t>(config.layers) - attention_layers;
    const int64_t conv = int64_t{config.mamba.conv - 1} * config.mamba.conv_channels();
    const int64_t state = int64_t{config.mamba.inner()} * config.mamba.state;
    out.state_bytes = mamba_layers * static_cast<uint64_t>(conv + state) * sizeof(float);
  }
  return out;
}

uint64_t tokens_that_fit(const Footprint& cost, uint64_t room) {
  const uint64_t fixed = cost.weight_bytes + cost.state_bytes + kReserveBytes;
  if (room <= fixed) return 0;
  return cost.kv_token_bytes == 0 ? UINT64_MAX : (room - fixed) / cost.kv_token_bytes;
}

Status check_fits(const Config& config, const Checkpoint& checkpoint, Precision precision,
                  std::optional<uint64_t> room, const std::string& where) {
  const uint64_t needed = footprint(config, checkpoint, precision).weight_bytes;
  if (!room || needed + kReserveBytes <= *room) return ok_status();
  std::string hint = "take a smaller model or a machine with more memory";
  for (const Precision other : {Precision::kQ8, Precision::kQ4}) {
    const uint64_t smaller = footprint(config, checkpoint, other).weight_bytes;
    if (smaller + kReserveBytes > *room) continue;
    hint = fmt::format("with --dtype {} it needs {}", name_of(other), bytes_text(smaller));
    break;
  }
  return make_error("E0221",
                    fmt::format("{}: the weights need {} of memory as {}, {} are available", where,
                                bytes_text(needed), name_of(precision), bytes_text(*room)),
                    std::move(hint));
}

}  // namespace weft::model
