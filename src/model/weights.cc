// SPDX-License-Identifier: Apache-2.0
#include "model/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/strings.h"
#include "tensor/half.h"

namespace weft::model {
namespace {

using tensor::WeightType;

constexpr int64_t kGroup = 32;
constexpr int64_t kStripRows = 16;

Error unfit(std::string message, std::string hint) {
  return make_error("E0212", "weights: " + std::move(message), std::move(hint));
}

// One row of int8 values and their scales as floats, w = q * scale.
void dequantise(const char* values, const char* scales, std::span<float> out) {
  for (size_t k = 0; k < out.size(); ++k) {
    int8_t q = 0;
    uint16_t scale = 0;
    std::memcpy(&q, values + k, 1);
    std::memcpy(&scale, scales + k / kGroup * 2, 2);
    out[k] = static_cast<float>(q) * tensor::float_of_f16(scale);
  }
}

// Row `row` of the tensors goes to row `target` of the packer.
void pack_row(tensor::Packer& packer, WeightType type, const StoredTensor& values,
              const StoredTensor* scales, int64_t row, int64_t target, int64_t columns) {
  const auto at = [&](const StoredTensor& tensor, int64_t width, int64_t bytes) {
    return tensor.bytes.data() + row * width * bytes;
  };
  switch (values.dtype) {
    case DType::kF32: packer.set_row_f32(target, at(values, columns, 4)); return;
    case DType::kBF16: packer.set_row_bf16(target, at(values, columns, 2)); return;
    case DType::kF16: packer.set_row_f16(target, at(values, columns, 2)); return;
    case DType::kI8: break;
    case DType::kOther: CHECK(false, "dtype {} got through", values.dtype_name);
  }
  const char* q = at(values, columns, 1);
  const char* s = at(*scales, columns / kGroup, 2);
  if (type == WeightType::kQ8) {
    packer.set_row_q8(target, q, s);
    return;
  }
  std::vector<float> floats(static_cast<size_t>(columns));
  dequantise(q, s, floats);
  packer.set_row(target, floats);
}

}  // namespace

Result<Precision> precision_of(std::string_view name) {
  const std::vector<std::string> names = {"f32", "native", "q8"};
  for (const Precision p : {Precision::kF32, Precision::kNative, Precision::kQ8}) {
    if (name == name_of(p)) return p;
  }
  return make_error("E0214", fmt::format("dtype {} is not known", quoted(name)),
                    name_hint(name, names));
}

std::string_view name_of(Precision precision) {
  switch (precision) {
    case Precision::kF32: return "f32";
    case Precision::kNative: return "native";
    case Precision::kQ8: return "q8";
  }
  return "";
}

Result<const StoredTensor*> WeightBinder::find(const std::string& name,
                                               const std::vector<int64_t>& shape) {
  const StoredTensor* tensor = checkpoint_.find(name);
  if (tensor == nullptr) {
    std::vector<std::string> names;
    for (const StoredTensor& other : checkpoint_.tensors()) names.push_back(other.name);
    const auto nearest = nearest_name(name, names);
    return unfit(fmt::format("tensor '{}' is missing", name),
                 nearest ? fmt::format("the nearest name there is '{}'", *nearest)
                         : "the weights belong to another architecture");
  }
  if (tensor->shape != shape) {
    return unfit(fmt::format("tensor '{}' has shape {}, config says {}", name,
                             shape_text(tensor->shape), shape_text(shape)),
                 "config.json belongs to another checkpoint; did you mix two downloads?");
  }
  used_.insert(name);
  return tensor;
}

Result<WeightBinder::Source> WeightBinder::source(const MatrixPart& part, int64_t columns) {
  CHECK(part.index >= 0 && part.index < std::max<int64_t>(part.count, 1), "{}", part.name);
  Source out;
  out.rows = part.rows;
  out.first = part.index * part.rows;
  const auto shape = [&](int64_t width) {
    return part.count > 0 ? std::vector{part.count, part.rows, width}
                          : std::vector{part.rows, width};
  };
  out.values = TRY(find(part.name, shape(columns)));
  const bool int8 = out.values->dtype == DType::kI8;
  if (out.values->dtype == DType::kOther || int8 != (config_.quantization ==
                                                     Quantization::kQ8Group32)) {
    return unfit(fmt::format("tensor '{}' is of type {}, expected {}", part.name,
                             out.values->dtype_name,
                             config_.quantization == Quantization::kQ8Group32
                                 ? "I8 (quant_method weft_q8_g32)" : "F32, F16 or BF16"),
                 "use the weights that belong to this config.json");
  }
  if (!int8) return out;
  if (columns % kGroup != 0) {
    return unfit(fmt::format("tensor '{}' has {} columns, groups of {} do not fit", part.name,
                             columns, kGroup), "export the model with padded sizes");
  }
  const std::string scale_name = part.name + "_scale";
  out.scales = TRY(find(scale_name, shape(columns / kGroup)));
  if (out.scales->dtype != DType::kF16) {
    return unfit(fmt::format("tensor '{}' is of type {}, expected F16", scale_name,
                             out.scales->dtype_name), "export the model again");
  }
  return out;
}

WeightType WeightBinder::packed_type(const Source& source, Precision precision) const {
  if (precision == Precision::kF32) return WeightType::kF32;
  if (precision == Precision::kQ8) return WeightType::kQ8;
  switch (source.values->dtype) {
    case DType::kBF16: return WeightType::kBF16;
    case DType::kF16: return WeightType::kF16;
    case DType::kI8: return WeightType::kQ8;
    default: return WeightType::kF32;
  }
}

Result<tensor::Matrix> WeightBinder::pack(std::span<const MatrixPart> parts, int64_t columns,
                                          Precision precision) {
  CHECK(!parts.empty() && columns > 0);
  std::vector<Source> sources;
  int64_t rows = 0;
  for (const MatrixPart& part : parts) {
    sources.push_back(TRY(source(part, columns)));
    rows += part.rows;
  }
  const WeightType type = packed_type(sources[0], precision);
  for (const Source& source : sources) {
    if (packed_type(source, precision) == type) continue;
    return unfit(fmt::format("tensors '{}' and '{}' are of different types",
                             sources[0].values->name, source.values->name),
                 "load with dtype f32 or q8");
  }
  tensor::Packer packer(type, rows, columns);
  int64_t first = 0;
  for (const Source& source : sources) {
    // Strips of the target are disjoint for different rows, so rows may be packed in parallel.
    pool_.parallel_for((source.rows + kStripRows - 1) / kStripRows, [&](int64_t chunk, int) {
      const int64_t end = std::min(source.rows, (chunk + 1) * kStripRows);
      for (int64_t row = chunk * kStripRows; row < end; ++row) {
        pack_row(packer, type, *source.values, source.scales, source.first + row, first + row,
                 columns);
      }
    });
    first += source.rows;
  }
  return std::move(packer).finish();
}

Result<tensor::Matrix> WeightBinder::matrix(std::span<const MatrixPart> parts, int64_t columns) {
  return pack(parts, columns, precision_);
}

Result<tensor::Matrix> WeightBinder::matrix(const std::string& name, int64_t rows,
                                            int64_t columns) {
  const MatrixPart part{name, rows};
  return pack({&part, 1}, columns, precision_);
}

Result<tensor::Matrix> WeightBinder::table(const std::string& name, int64_t rows,
                                           int64_t columns) {
  const MatrixPart part{name, rows};
  return pack({&part, 1}, columns, Precision::kNative);
}

Result<std::vector<float>> WeightBinder::vector(const std::string& name, int64_t size) {
  return tensor(name, {size});
}

Result<std::vector<float>> WeightBinder::tensor(const std::string& name,
                                                const std::vector<int64_t>& shape) {
  const StoredTensor* tensor = TRY(find(name, shape));
  int64_t size = 1;
  for (const int64_t dimension : shape) size *= dimension;
  std::vector<float> out(static_cast<size_t>(size));
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t half = 0;
    switch (tensor->dtype) {
      case DType::kF32: std::memcpy(&out[i], tensor->bytes.data() + i * 4, 4); continue;
      case DType::kF16:
      case DType::kBF16: std::memcpy(&half, tensor->bytes.data() + i * 2, 2); break;
      default:
        return unfit(fmt::format("tensor '{}' is of type {}, expected F32, F16 or BF16", name,
                                 tensor->dtype_name),
                     "use the weights that belong to this config.json");
    }
    out[i] = tensor->dtype == DType::kF16 ? tensor::float_of_f16(half)
                                          : tensor::float_of_bf16(half);
  }
  return out;
}

Status WeightBinder::finish() const {
  for (const StoredTensor& tensor : checkpoint_.tensors()) {
    if (used_.contains(tensor.name)) continue;
    return unfit(fmt::format("tensor '{}' {} is in the files and has no place in a {} model with "
                             "this config.json", tensor.name, shape_text(tensor.shape),
                             config_.family),
                 "config.json belongs to another checkpoint; did you mix two downloads?");
  }
  return ok_status();
}

}  // namespace weft::model
