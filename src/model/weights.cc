// SPDX-License-Identifier: Apache-2.0
#include "model/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/strings.h"
#include "model/blocks.h"
#include "model/rows.h"

namespace weft::model {
namespace {

using tensor::WeightType;

constexpr int64_t kWeightGroup = 32;
constexpr int64_t kStripRows = 16;

Error unfit(std::string message, std::string hint) {
  return make_error("E0212", "weights: " + std::move(message), std::move(hint));
}

Error not_finite(const StoredTensor& tensor, int64_t row) {
  return unfit(fmt::format("tensor '{}' holds NaN or infinity in row {}, expected finite numbers",
                           tensor.name, row),
               "the file is damaged, or the model was saved from a training that had failed");
}

// Row `row` of the source goes to row `target` of the packer. False: it holds NaN or infinity.
bool pack_row(tensor::Packer& packer, WeightType type, const RowSource& source, int64_t row,
              int64_t target, int64_t columns) {
  if (keeps_codes(source.values->dtype, type)) {
    const RowCodes codes = codes_of(source, row, columns, type != WeightType::kQ8);
    if (type == WeightType::kQ8) {
      packer.set_row_q8(target, codes.codes.data(), codes.scales.data());
    } else {
      packer.set_row_q4(target, reinterpret_cast<const uint8_t*>(codes.codes.data()),
                        codes.scales.data(),
                        type == WeightType::kQ4 ? codes.offsets.data() : nullptr);
    }
    return all_finite(codes.scales) && all_finite(codes.offsets);
  }
  std::vector<float> floats(static_cast<size_t>(columns));
  read_row(source, row, floats);
  packer.set_row(target, floats);
  return all_finite(floats);
}

}  // namespace

Result<Precision> precision_of(std::string_view name) {
  const std::vector<std::string> names = {"f32", "native", "q8", "q4"};
  for (const Precision p :
       {Precision::kF32, Precision::kNative, Precision::kQ8, Precision::kQ4}) {
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
    case Precision::kQ4: return "q4";
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

Result<WeightBinder::Source> WeightBinder::source(const MatrixPart& part, int64_t columns,
                                                  bool as_table) {
  CHECK(part.index >= 0 && part.index < std::max<int64_t>(part.count, 1), "{}", part.name);
  Source out;
  out.rows = part.rows;
  out.first = part.index * part.rows;
  const auto shape = [&](int64_t width) {
    return part.count > 0 ? std::vector{part.count, part.rows, width}
                          : std::vector{part.rows, width};
  };
  const StoredTensor* found = checkpoint_.find(part.name);
  const bool pairs = found != nullptr && found->dtype == DType::kU8;
  out.values = TRY(find(part.name, shape(pairs ? columns / 2 : columns)));
  const DType dtype = out.values->dtype;
  const Quantization found_as = dtype == DType::kI8   ? Quantization::kQ8Group32
                                : dtype == DType::kU8 ? Quantization::kQ4Group32
                                                      : Quantization::kNone;
  // Tables and what is too small for groups or strips stay plain in a quantised model.
  const bool may_be_plain = as_table || columns % kWeightGroup != 0 || part.rows < kStripRows;
  const bool fits = found_as == config_.quantization ||
                    (found_as == Quantization::kNone && may_be_plain);
  if (dtype == DType::kOther || !fits) {
    return unfit(fmt::format("tensor '{}' is of type {}, expected {}", part.name,
                             out.values->dtype_name,
                             config_.quantization == Quantization::kQ8Group32
                                 ? "I8 (quant_method weft_q8_g32)"
                             : config_.quantization == Quantization::kQ4Group32
                                 ? "U8 (quant_method weft_q4_g32)"
                                 : "F32, F16 or BF16"),
                 "use the weights that belong to this config.json");
  }
  if (dtype != DType::kI8 && dtype != DType::kU8) return out;
  if (columns % kWeightGroup != 0) {
    return unfit(fmt::format("tensor '{}' has {} columns, groups of {} do not fit", part.name,
                             columns, kWeightGroup),
                 "export the model with padded sizes");
  }
  const auto halves = [&](const std::string& name) -> Result<const StoredTensor*> {
    const StoredTensor* tensor = TRY(find(name, shape(columns / kWeightGroup)));
    if (tensor->dtype == DType::kF16) return tensor;
    return unfit(fmt::format("tensor '{}' is of type {}, expected F16", name,
                             tensor->dtype_name), "export the model again");
  };
  out.scales = TRY(halves(part.name + "_scale"));
  if (pairs) out.offsets = TRY(halves(part.name + "_offset"));
  return out;
}

WeightType packed_type(DType dtype, Precision precision) {
  if (precision == Precision::kF32) return WeightType::kF32;
  if (precision == Precision::kQ8) return WeightType::kQ8;
  if (precision == Precision::kQ4) return WeightType::kQ4;
  switch (dtype) {
    case DType::kBF16: return WeightType::kBF16;
    case DType::kF16: return WeightType::kF16;
    case DType::kF32: return WeightType::kF32;
    case DType::kQ4_0: return WeightType::kQ4Centred;
    default: return keeps_codes(dtype, WeightType::kQ4) ? WeightType::kQ4 : WeightType::kQ8;
  }
}

// The type in which all parts of a matrix can stand together.
WeightType WeightBinder::common_type(std::span<const Source> sources, Precision precision) const {
  const WeightType first = packed_type(sources[0].values->dtype, precision);
  WeightType out = first;
  for (const Source& source : sources) {
    const WeightType type = packed_type(source.values->dtype, precision);
    if (type == first) continue;
    const bool quantised = is_quantised(type) || is_quantised(out);
    out = quantised ? WeightType::kQ8 : WeightType::kF32;
  }
  return out;
}

Result<tensor::Matrix> WeightBinder::pack(std::span<const MatrixPart> parts, int64_t columns,
                                          Precision precision, bool as_table) {
  CHECK(!parts.empty() && columns > 0);
  std::vector<Source> sources;
  int64_t rows = 0;
  for (const MatrixPart& part : parts) {
    sources.push_back(TRY(source(part, columns, as_table)));
    rows += part.rows;
  }
  if (only_checks_) return tensor::Matrix();
  const WeightType type = common_type(sources, precision);
  std::string key = fmt::format("{} {}", as_table ? "table" : "matrix", name_of(type));
  for (const MatrixPart& part : parts) key += fmt::format(" {}:{}", part.name, part.index);
  if (cache_ != nullptr) {
    std::optional<tensor::Matrix> kept = cache_->find(key, rows, columns, pool_, &arena_);
    if (kept && kept->type() == type) return std::move(*kept);
  }
  tensor::Packer packer(type, rows, columns, &arena_);
  int64_t first = 0;
  for (const Source& source : sources) {
    std::atomic<int64_t> bad_row = -1;
    const RowSource rows_of{source.values, source.scales, source.offsets};
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
  // What is packed is not needed twice. Experts share a tensor: the last of them gives it back.
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].index + 1 >= parts[i].count) checkpoint_.release(*sources[i].values);
  }
  tensor::Matrix out = std::move(packer).finish();
  if (cache_ != nullptr) cache_->add(key, out, pool_);
  return out;
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
  const StoredTensor* found = checkpoint_.find(name);
  const WeightType native =
      found != nullptr ? packed_type(found->dtype, Precision::kNative) : WeightType::kF32;
  // Blocks that are rounded when they are packed are not what float32 means.
  const bool rounds = found != nullptr && is_block(found->dtype) &&
                      (!keeps_codes(found->dtype, native) || found->dtype == DType::kQ4K);
  const bool exactly = precision_ == Precision::kF32 && rounds;
  return pack({&part, 1}, columns, exactly ? Precision::kF32 : Precision::kNative, true);
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
