// SPDX-License-Identifier: Apache-2.0
#include "model/quantiser.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/file.h"
#include "base/file_writer.h"
#include "base/json.h"
#include "base/strings.h"
#include "model/rows.h"
#include "model/checkpoint.h"
#include "tensor/half.h"
#include "tensor/quantise.h"

namespace weft::model {
namespace {

constexpr int64_t kGroup = 32;

// A tensor of the new file.
struct Entry {
  const StoredTensor* from = nullptr;
  bool quantised = false;
  std::string dtype;             // of the values
  std::vector<int64_t> shape;    // as the file says it
  int64_t columns = 0;           // in numbers, whatever the packing
  uint64_t value_bytes = 0;
};

bool is_companion(const std::string& name) {
  return name.ends_with(".weight_scale") || name.ends_with(".weight_offset");
}

bool is_quantisable(const StoredTensor& tensor, int64_t columns) {
  const std::string& name = tensor.name;
  const bool router = name.ends_with("mlp.gate.weight") || name.ends_with("router.layer.weight");
  return name.ends_with(".weight") && tensor.shape.size() >= 2 && tensor.rows() >= 16 &&
         columns % kGroup == 0 && !router && name.find("conv1d") == std::string::npos;
}

Entry entry_of(const StoredTensor& tensor, Precision precision) {
  Entry out;
  out.from = &tensor;
  out.columns = tensor.columns() * (tensor.dtype == DType::kU8 ? 2 : 1);
  out.shape = tensor.shape;
  out.quantised = is_quantisable(tensor, out.columns);
  const auto rows = static_cast<uint64_t>(tensor.rows());
  if (out.quantised) {
    const bool four = precision == Precision::kQ4;
    if (!out.shape.empty()) out.shape.back() = four ? out.columns / 2 : out.columns;
    out.dtype = four ? "U8" : "I8";
    out.value_bytes = rows * static_cast<uint64_t>(four ? out.columns / 2 : out.columns);
    return out;
  }
  const bool plain = tensor.dtype == DType::kF16 || tensor.dtype == DType::kBF16;
  out.dtype = plain ? tensor.dtype_name : "F32";
  out.value_bytes = rows * static_cast<uint64_t>(out.columns) * (plain ? 2 : 4);
  return out;
}

// A tensor with its scales, if it has some.
Result<RowSource> source_of(const Checkpoint& checkpoint, const StoredTensor& tensor) {
  RowSource out{&tensor, nullptr, nullptr};
  if (tensor.dtype == DType::kI8 || tensor.dtype == DType::kU8) {
    out.scales = checkpoint.find(tensor.name + "_scale");
  }
  if (tensor.dtype == DType::kU8) out.offsets = checkpoint.find(tensor.name + "_offset");
  const int64_t groups = tensor.columns() * (tensor.dtype == DType::kU8 ? 2 : 1) / kGroup;
  const auto fits = [&](const StoredTensor* halves) {
    return halves != nullptr && halves->dtype == DType::kF16 && halves->rows() == tensor.rows() &&
           halves->columns() == groups;
  };
  const bool bare = tensor.dtype != DType::kI8 && tensor.dtype != DType::kU8;
  if (tensor.dtype == DType::kOther || (!bare && !fits(out.scales)) ||
      (tensor.dtype == DType::kU8 && !fits(out.offsets))) {
    return make_error("E0212", fmt::format("weights: tensor '{}' of type {} has no scales that fit "
                                           "it", tensor.name, tensor.dtype_name),
                      "take the checkpoint in BF16, F16 or F32");
  }
  return out;
}

// A tensor's numbers and what it becomes, kept while it passes through.
struct Pass {
  std::string values;
  std::vector<uint16_t> scales;
  std::vector<uint16_t> offsets;
  std::vector<double> squared_error;  // a row
  std::vector<double> squared;
};

void put_q8(std::span<const float> row, int64_t r, Pass& pass) {
  const auto groups = row.size() / kGroup;
  for (size_t g = 0; g < groups; ++g) {
    const auto group = row.subspan(g * kGroup, kGroup);
    float most = 0;
    for (const float w : group) most = std::max(most, std::abs(w));
    const uint16_t scale = tensor::f16_of_float(std::min(most / 127.0f, 65504.0f));
    const float step = tensor::float_of_f16(scale);
    const size_t at = static_cast<size_t>(r) * row.size() + g * kGroup;
    for (size_t i = 0; i < group.size(); ++i) {
      const float q = step > 0 ? std::clamp(group[i] / step, -127.0f, 127.0f) : 0.0f;
      pass.values[at + i] = static_cast<char>(static_cast<int8_t>(std::lrint(q)));
    }
    pass.scales[static_cast<size_t>(r) * groups + g] = scale;
  }
}

void put_q4(std::span<const float> row, int64_t r, Pass& pass) {
  const auto groups = row.size() / kGroup;
  for (size_t g = 0; g < groups; ++g) {
    uint8_t codes[kGroup];
    const tensor::Q4Group made = tensor::quantise_q4(row.subspan(g * kGroup, kGroup), codes);
    const size_t at = (static_cast<size_t>(r) * row.size() + g * kGroup) / 2;
    for (size_t i = 0; i < kGroup / 2; ++i) {
      pass.values[at + i] = static_cast<char>(codes[2 * i] | codes[2 * i + 1] << 4);
    }
    pass.scales[static_cast<size_t>(r) * groups + g] = made.scale;
    pass.offsets[static_cast<size_t>(r) * groups + g] = made.offset;
  }
}

// Keeps the codes of sources that are exact in the target; else rounds the numbers.
void put_row(const RowSource& source, Precision precision, int64_t r, std::span<const float> row,
             Pass& pass) {
  const bool four = precision == Precision::kQ4;
  const auto target = four ? tensor::WeightType::kQ4 : tensor::WeightType::kQ8;
  if (!keeps_codes(source.values->dtype, target)) {
    return four ? put_q4(row, r, pass) : put_q8(row, r, pass);
  }
  const RowCodes codes = codes_of(source, r, static_cast<int64_t>(row.size()), four);
  const size_t at = static_cast<size_t>(r) * row.size();
  const size_t group = at / kGroup;
  for (size_t k = 0; k < row.size(); k += four ? 2 : 1) {
    const int byte = four ? codes.codes[k] | codes.codes[k + 1] << 4 : codes.codes[k];
    pass.values[four ? (at + k) / 2 : at + k] = static_cast<char>(byte);
  }
  std::copy(codes.scales.begin(), codes.scales.end(),
            pass.scales.begin() + static_cast<ptrdiff_t>(group));
  if (!four) return;
  std::copy(codes.offsets.begin(), codes.offsets.end(),
            pass.offsets.begin() + static_cast<ptrdiff_t>(group));
}

double row_error(std::span<const float> row, int64_t r, bool four, const Pass& pass) {
  const size_t width = row.size();
  double sum = 0;
  for (size_t k = 0; k < width; ++k) {
    const size_t group = static_cast<size_t>(r) * (width / kGroup) + k / kGroup;
    const size_t at = static_cast<size_t>(r) * width + k;
    const auto byte = static_cast<uint8_t>(pass.values[four ? at / 2 : at]);
    const int code = four ? (k % 2 == 0 ? byte & 15 : byte >> 4) : static_cast<int8_t>(byte);
    const float back = static_cast<float>(code) * tensor::float_of_f16(pass.scales[group]) +
                       (four ? tensor::float_of_f16(pass.offsets[group]) : 0.0f);
    const double off = double{back} - double{row[k]};
    sum += off * off;
  }
  return sum;
}

Result<QuantisedTensor> quantise(const Checkpoint& checkpoint, const Entry& entry,
                                 Precision precision, ThreadPool& pool, Pass& pass) {
  const RowSource source = TRY(source_of(checkpoint, *entry.from));
  const int64_t rows = entry.from->rows();
  const auto groups = static_cast<size_t>(rows * (entry.columns / kGroup));
  pass.values.assign(entry.value_bytes, '\0');
  pass.scales.assign(groups, 0);
  pass.offsets.assign(precision == Precision::kQ4 ? groups : 0, 0);
  pass.squared_error.assign(static_cast<size_t>(rows), 0);
  pass.squared.assign(static_cast<size_t>(rows), 0);
  pool.parallel_for(rows, [&](int64_t r, int) {
    std::vector<float> row(static_cast<size_t>(entry.columns));
    read_row(source, r, row);
    put_row(source, precision, r, row, pass);
    const auto at = static_cast<size_t>(r);
    pass.squared_error[at] = row_error(row, r, precision == Precision::kQ4, pass);
    for (const float w : row) pass.squared[at] += double{w} * double{w};
  });
  double error = 0;
  double size = 0;
  for (size_t r = 0; r < static_cast<size_t>(rows); ++r) {
    error += pass.squared_error[r];
    size += pass.squared[r];
  }
  if (!std::isfinite(size)) {
    return make_error("E0212", fmt::format("weights: tensor '{}' holds NaN or infinity",
                                           entry.from->name),
                      "the file is damaged, or the training it was saved from had failed");
  }
  return QuantisedTensor{entry.from->name, rows, entry.columns,
                         size > 0 ? std::sqrt(error / size) : 0.0};
}

std::string header_of(const std::vector<Entry>& entries, Precision precision) {
  json::Object header;
  header["__metadata__"] = json::Object{{"format", "pt"}};
  uint64_t at = 0;
  const auto add = [&](const std::string& name, std::string_view dtype, json::Array shape,
                       uint64_t bytes) {
    header[name] = json::Object{{"dtype", dtype},
                                {"shape", std::move(shape)},
                                {"data_offsets", json::Array{at, at + bytes}}};
    at += bytes;
  };
  for (const Entry& entry : entries) {
    json::Array shape(entry.shape.begin(), entry.shape.end());
    add(entry.from->name, entry.dtype, shape, entry.value_bytes);
    if (!entry.quantised) continue;
    shape.back() = entry.columns / kGroup;
    const auto bytes = static_cast<uint64_t>(entry.from->rows() * (entry.columns / kGroup) * 2);
    add(entry.from->name + "_scale", "F16", shape, bytes);
    if (precision == Precision::kQ4) add(entry.from->name + "_offset", "F16", shape, bytes);
  }
  std::string text = json::dump(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data begins at a multiple of 8
  return text;
}

template <class T>
std::string_view bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// As it is stored, but for types that only GGUF knows.
Status write_plain(FileWriter& writer, const Checkpoint& checkpoint, const Entry& entry) {
  const RowSource source = TRY(source_of(checkpoint, *entry.from));
  std::vector<float> row(static_cast<size_t>(entry.columns));
  for (int64_t r = 0; r < entry.from->rows(); ++r) {
    if (entry.dtype != "F32") {
      TRY(writer.write({entry.from->row(r), entry.from->row_bytes()}));
      continue;
    }
    read_row(source, r, row);
    TRY(writer.write({reinterpret_cast<const char*>(row.data()), row.size() * sizeof(float)}));
  }
  return ok_status();
}

Result<std::vector<QuantisedTensor>> write_weights(const Checkpoint& checkpoint,
                                                   const QuantiseOptions& options,
                                                   ThreadPool& pool) {
  std::vector<Entry> entries;
  for (const StoredTensor& tensor : checkpoint.tensors()) {
    if (!is_companion(tensor.name)) entries.push_back(entry_of(tensor, options.precision));
  }
  FileWriter writer = TRY(FileWriter::create(options.directory + "/model.safetensors"));
  const std::string header = header_of(entries, options.precision);
  const uint64_t length = header.size();
  TRY(writer.write({reinterpret_cast<const char*>(&length), sizeof length}));
  TRY(writer.write(header));
  std::vector<QuantisedTensor> out;
  Pass pass;
  for (const Entry& entry : entries) {
    if (!entry.quantised) {
      TRY(write_plain(writer, checkpoint, entry));
      continue;
    }
    out.push_back(TRY(quantise(checkpoint, entry, options.precision, pool, pass)));
    TRY(writer.write(pass.values));
    TRY(writer.write(bytes_of(pass.scales)));
    TRY(writer.write(bytes_of(pass.offsets)));
    if (options.on_tensor) options.on_tensor(out.back());
  }
  TRY(writer.commit());
  return out;
}

Result<std::string> config_text(ModelFiles& files, Precision precision) {
  json::Value config = TRY(json::parse(TRY(files.read("config.json"))));
  if (!config.is_object()) return make_error("E0211", "config.json: should be an object");
  config.get_object()["quantization_config"] = json::Object{
      {"quant_method", precision == Precision::kQ4 ? "weft_q4_g32" : "weft_q8_g32"},
      {"group_size", kGroup}};
  return json::dump(config, {.spaces = true, .indent = 2}) + "\n";
}

}  // namespace

Result<std::vector<QuantisedTensor>> quantise_model(ModelFiles& files,
                                                    const QuantiseOptions& options,
                                                    ThreadPool& pool) {
  CHECK(options.precision == Precision::kQ8 || options.precision == Precision::kQ4);
  std::error_code ignored;
  if (std::filesystem::exists(options.directory, ignored) &&
      !std::filesystem::is_empty(options.directory, ignored)) {
    return make_error("E0222", fmt::format("{} is there already and not empty",
                                           quoted(options.directory, 200)),
                      "give the name of a new directory");
  }
  TRY(load_config(files));  // refuses what could not be loaded afterwards either
  const Checkpoint checkpoint = TRY(Checkpoint::open(files));
  TRY(make_directories(options.directory));
  std::vector<QuantisedTensor> out = TRY(write_weights(checkpoint, options, pool));
  for (const char* name : {"generation_config.json", "tokenizer.json", "tokenizer_config.json",
                           "chat_template.jinja", "special_tokens_map.json"}) {
    if (!files.has(name)) continue;
    TRY(write_file_atomic(options.directory + "/" + name, TRY(files.read(name))));
  }
  // Last, because a directory without it is no model.
  TRY(write_file_atomic(options.directory + "/config.json",
                        TRY(config_text(files, options.precision))));
  return out;
}

}  // namespace weft::model
