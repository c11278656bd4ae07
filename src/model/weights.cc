// SPDX-License-Identifier: Apache-2.0
#include "model/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

#include "base/strings.h"
#include "model/blocks.h"
#include "tensor/half.h"

namespace weft::model {
namespace {

using tensor::WeightType;

constexpr int64_t kGroup = 32;
constexpr int64_t kStripRows = 16;

Error unfit(std::string message, std::string hint) {
  return make_error("E0212", "weights: " + std::move(message), std::move(hint));
}

Error not_finite(const StoredTensor& tensor, int64_t row) {
  return unfit(fmt::format("tensor '{}' holds NaN or infinity in row {}, expected finite numbers",
                           tensor.name, row),
               "the file is damaged, or the model was saved from a training that had failed");
}

// Where a packed row comes from: `scales` are those of int8 values, else null.
struct RowSource {
  const StoredTensor& values;
  const StoredTensor* scales;
};

bool all_finite(std::span<const float> values) {
  // An exponent of ones is the only mark of both NaN and infinity; a sum of such marks vectorises.
  uint32_t marks = 0;
  for (const float value : values) {
    marks |= static_cast<uint32_t>((std::bit_cast<uint32_t>(value) & 0x7f800000) == 0x7f800000);
  }
  return marks == 0;
}

void read_row(const RowSource& source, int64_t row, std::span<float> out) {
  const char* from = source.values.row(row);
  if (source.scales == nullptr) return read_elements(source.values.dtype, from, out);
  const char* scales = source.scales->row(row);
  for (size_t k = 0; k < out.size(); ++k) {
    int8_t q = 0;
    uint16_t scale = 0;
    std::memcpy(&q, from + k, 1);
    std::memcpy(&scale, scales + k / kGroup * 2, 2);
    out[k] = static_cast<float>(q) * tensor::float_of_f16(scale);
  }
}

// The types whose codes are 8 bits at most and whose scale is one half-precision number for 32
// columns: they become q8 without any loss.
bool is_exact_q8(DType type) {
  return type == DType::kQ8_0 || type == DType::kQ4_0 || type == DType::kQ5_0 ||
         type == DType::kIQ4NL;
}

// The codes of a row of such blocks, apart from their scales.
void split_codes(DType type, const char* from, std::span<int8_t> codes,
                 std::span<uint16_t> scales) {
  const BlockFormat& format = block_format(type);
  BlockCodes block;
  for (size_t g = 0; g < scales.size(); ++g) {
    decode_block(type, from + static_cast<int64_t>(g) * format.bytes, block);
    std::memcpy(codes.data() + g * kGroup, block.code, kGroup);
    scales[g] = tensor::f16_of_float(block.scale[0]);
  }
}

// Row `row` of the source goes to row `target` of the packer. False: it holds NaN or infinity.
bool pack_row(tensor::Packer& packer, WeightType type, const RowSource& source, int64_t row,
              int64_t target, int64_t columns) {
  if (type == WeightType::kQ8 && (source.scales != nullptr || is_exact_q8(source.values.dtype))) {
    const auto groups = static_cast<size_t>(columns / kGroup);
    std::vector<uint16_t> scales(groups);
    std::vector<int8_t> codes;
    const void* values = source.values.row(row);
    if (source.scales != nullptr) {
      std::memcpy(scales.data(), source.scales->row(row), groups * 2);
    } else {
      codes.resize(static_cast<size_t>(columns));
      split_codes(source.values.dtype, source.values.row(row), codes, scales);
      values = codes.data();
    }
    packer.set_row_q8(target, values, scales.data());
    return std::none_of(scales.begin(), scales.end(),
                        [](uint16_t raw) { return (raw & 0x7c00) == 0x7c00; });
  }
  std::vector<float> floats(static_cast<size_t>(columns));
  read_row(source, row, floats);
  packer.set_row(target, floats);
  return all_finite(floats);
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
    case DType::kF32: return WeightType::kF32;
    default: return WeightType::kQ8;  // int8, and all blocks
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
    std::atomic<int64_t> bad_row = -1;
    const RowSource rows_of{*source.values, source.scales};
    // Strips of the target are disjoint for different rows, so rows may be packed in parallel.
    pool_.parallel_for((source.rows + kStripRows - 1) / kStripRows, [&](int64_t chunk, int) {
      const int64_t end = std::min(source.rows, (chunk + 1) * kStripRows);
      for (int64_t row = chunk * kStripRows; row < end; ++row) {
        if (!pack_row(packer, type, rows_of, source.first + row, first + row, columns)) {
          bad_row = source.first + row;
        }
      }
    });
    if (bad_row >= 0) return not_finite(*source.values, bad_row);
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
  if (tensor->dtype > DType::kBF16) {
    return unfit(fmt::format("tensor '{}' is of type {}, expected F32, F16 or BF16", name,
                             tensor->dtype_name),
                 "use the weights that belong to this config.json");
  }
  const auto columns = static_cast<size_t>(tensor->columns());
  std::vector<float> out(static_cast<size_t>(tensor->rows()) * columns);
  for (size_t row = 0; row < out.size() / columns; ++row) {
    read_elements(tensor->dtype, tensor->row(static_cast<int64_t>(row)),
                  std::span(out).subspan(row * columns, columns));
  }
  if (!all_finite(out)) return not_finite(*tensor, 0);
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
