// SPDX-License-Identifier: Apache-2.0
#include "model/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/json.h"
#include "base/strings.h"

namespace weft::model {
namespace {

// The reference implementation refuses headers beyond 100 MB too; the largest published ones
// (tens of thousands of expert tensors) have about 5 MB.
constexpr uint64_t kHeaderBytesMax = 100'000'000;
constexpr size_t kDimensionsMax = 8;
// __metadata__ is one level below the tensors' level: anything deeper is no safetensors header.
constexpr size_t kHeaderDepthMax = 4;

struct DTypeRow {
  std::string_view name;
  int64_t bytes;
  DType dtype;
};
constexpr DTypeRow kDTypes[] = {
    {"F32", 4, DType::kF32},     {"F16", 2, DType::kF16},     {"BF16", 2, DType::kBF16},
    {"I8", 1, DType::kI8},       {"F64", 8, DType::kOther},   {"I64", 8, DType::kOther},
    {"I32", 4, DType::kOther},   {"I16", 2, DType::kOther},   {"U64", 8, DType::kOther},
    {"U32", 4, DType::kOther},   {"U16", 2, DType::kOther},   {"U8", 1, DType::kU8},
    {"BOOL", 1, DType::kOther},  {"F8_E4M3", 1, DType::kOther}, {"F8_E5M2", 1, DType::kOther}};

constexpr auto broken = broken_safetensors;

// A list of non-negative integers.
Result<std::vector<int64_t>> sizes_of(const json::Object& entry, std::string_view field,
                                      const std::string& place) {
  const json::Value* value = entry.if_contains(field);
  if (value == nullptr || !value->is_array()) {
    return broken(place, fmt::format("'{}' should be an array of integers", field));
  }
  std::vector<int64_t> out;
  for (const json::Value& item : value->get_array()) {
    if (!item.is_int64() || item.get_int64() < 0) {
      return broken(place, fmt::format("'{}' should hold integers from 0 to 2^63 - 1, found {}",
                                       field, json::dump(item)));
    }
    out.push_back(item.get_int64());
  }
  return out;
}

// Product of `factors`, or nothing on overflow.
std::optional<int64_t> product(const std::vector<int64_t>& factors, int64_t start) {
  int64_t out = start;
  for (const int64_t factor : factors) {
    if (__builtin_mul_overflow(out, factor, &out)) return std::nullopt;
  }
  return out;
}

Result<StoredTensor> parse_entry(std::string_view name, const json::Value& value,
                                 std::string_view data, std::string_view where) {
  const std::string place = fmt::format("{}: tensor {}", where, quoted(name));
  if (!value.is_object()) return broken(place, "its entry should be an object");
  const json::Object& entry = value.get_object();
  const json::Value* dtype = entry.if_contains("dtype");
  if (dtype == nullptr || !dtype->is_string()) return broken(place, "'dtype' should be a string");
  StoredTensor out;
  out.name = name;
  out.dtype_name = std::string(dtype->get_string());
  out.shape = TRY(sizes_of(entry, "shape", place));
  const std::vector<int64_t> offsets = TRY(sizes_of(entry, "data_offsets", place));
  if (out.shape.size() > kDimensionsMax) {
    return broken(place, fmt::format("has {} dimensions, at most {} are known", out.shape.size(),
                                     kDimensionsMax));
  }
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    return broken(place, "'data_offsets' should be [begin, end] with begin <= end");
  }
  if (static_cast<uint64_t>(offsets[1]) > data.size()) {
    return broken(place, fmt::format("ends at byte {} of the data, the file has {} bytes of data",
                                     offsets[1], data.size()));
  }
  const int64_t length = offsets[1] - offsets[0];
  const auto* row = std::find_if(std::begin(kDTypes), std::end(kDTypes),
                                 [&](const DTypeRow& r) { return r.name == out.dtype_name; });
  if (row == std::end(kDTypes)) {
    // Newer types are not an error of the file: the tensor is refused when it is asked for.
    if (!product(out.shape, 1)) return broken(place, "its shape overflows");
  } else {
    out.dtype = row->dtype;
    const auto expected = product(out.shape, row->bytes);
    if (!expected || *expected != length) {
      return broken(place, fmt::format("shape {} of {} needs {} bytes, data_offsets give {}",
                                       shape_text(out.shape), out.dtype_name,
                                       expected ? fmt::to_string(*expected) : "more than 2^63",
                                       length));
    }
  }
  out.bytes = data.substr(static_cast<size_t>(offsets[0]), static_cast<size_t>(length));
  return out;
}

// Tensors must tile the data: a gap hides bytes, an overlap aliases two weights.
Status check_tiling(std::vector<StoredTensor>& tensors, std::string_view data,
                    std::string_view where) {
  std::sort(tensors.begin(), tensors.end(), [](const StoredTensor& a, const StoredTensor& b) {
    if (a.bytes.data() != b.bytes.data()) return a.bytes.data() < b.bytes.data();
    return a.bytes.size() < b.bytes.size();
  });
  const char* end = data.data();
  for (const StoredTensor& tensor : tensors) {
    if (tensor.bytes.data() != end) {
      const bool overlap = tensor.bytes.data() < end;
      return broken(where, fmt::format("tensor {} {} (its data begins at {}, expected {})",
                                       quoted(tensor.name),
                                       overlap ? "overlaps another one" : "follows a gap",
                                       tensor.bytes.data() - data.data(), end - data.data()));
    }
    end += tensor.bytes.size();
  }
  if (end != data.data() + data.size()) {
    return broken(where, fmt::format("{} bytes follow the last tensor",
                                     data.data() + data.size() - end));
  }
  return ok_status();
}

}  // namespace

Error broken_safetensors(std::string_view where, std::string what) {
  return make_error("E0210", fmt::format("{}: {}", where, what),
                    "the file is damaged or not a safetensors file; fetch it again");
}

Result<std::vector<StoredTensor>> parse_safetensors(std::string_view file,
                                                    std::string_view where) {
  uint64_t header_bytes = 0;
  if (file.size() < sizeof(header_bytes)) {
    return broken(where, fmt::format("has {} bytes, a header needs at least 8", file.size()));
  }
  std::memcpy(&header_bytes, file.data(), sizeof(header_bytes));
  if (header_bytes > kHeaderBytesMax || header_bytes > file.size() - sizeof(header_bytes)) {
    return broken(where, fmt::format("the header claims {} bytes, {} follow (limit {})",
                                     header_bytes, file.size() - sizeof(header_bytes),
                                     kHeaderBytesMax));
  }
  const std::string_view header = file.substr(sizeof(header_bytes), header_bytes);
  const std::string_view data = file.substr(sizeof(header_bytes) + header_bytes);
  auto parsed = json::parse(header, {.depth_max = kHeaderDepthMax});
  if (!parsed.ok()) {
    return broken(where, fmt::format("header: {}", parsed.error().message));
  }
  if (!parsed.value().is_object()) return broken(where, "the header should be a JSON object");
  std::vector<StoredTensor> out;
  for (const auto& [name, value] : parsed.value().get_object()) {
    if (name == "__metadata__") continue;  // free text about the file; nothing depends on it
    out.push_back(TRY(parse_entry(name, value, data, where)));
  }
  TRY(check_tiling(out, data, where));
  return out;
}

Result<Shards> parse_safetensors_index(std::string_view text, std::string_view where) {
  auto parsed = json::parse(text, {.depth_max = 8});
  if (!parsed.ok()) return in_context(parsed.error(), std::string(where));
  const json::Value index = std::move(parsed).value();
  const json::Value* map = index.is_object() ? index.get_object().if_contains("weight_map")
                                             : nullptr;
  if (map == nullptr || !map->is_object()) {
    return broken(where, "should be an object with an object 'weight_map'");
  }
  Shards out;
  for (const auto& [name, value] : map->get_object()) {
    if (!value.is_string()) return broken(where, "'weight_map' should map names to files");
    const std::string file(value.get_string());
    // A path could leave the directory; a shard stands beside its index.
    if (file.empty() || file == ".." || file.find('/') != file.npos ||
        file.find('\0') != file.npos) {
      return broken(where, fmt::format("shard {} should be a file name without directory",
                                            quoted(file)));
    }
    out[file].emplace(name);
  }
  return out;
}

}  // namespace weft::model
