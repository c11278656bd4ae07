// SPDX-License-Identifier: Apache-2.0
#include "model/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>

#include "base/digest.h"
#include "base/json.h"
#include "base/strings.h"
#include "model/gguf_model.h"

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

Error broken(std::string_view where, std::string what) {
  return make_error("E0210", fmt::format("{}: {}", where, what),
                    "the file is damaged or not a safetensors file; fetch it again");
}

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

// The shards of an index, each once, in name order, and which tensors each must hold.
Result<std::map<std::string, std::set<std::string>>> shards_of(std::string_view text,
                                                               const std::string& index_path) {
  auto parsed = json::parse(text, {.depth_max = 8});
  if (!parsed.ok()) return in_context(parsed.error(), index_path);
  const json::Value index = std::move(parsed).value();
  const json::Value* map = index.is_object() ? index.get_object().if_contains("weight_map")
                                             : nullptr;
  if (map == nullptr || !map->is_object()) {
    return broken(index_path, "should be an object with an object 'weight_map'");
  }
  std::map<std::string, std::set<std::string>> out;
  for (const auto& [name, value] : map->get_object()) {
    if (!value.is_string()) return broken(index_path, "'weight_map' should map names to files");
    const std::string file(value.get_string());
    // A path could leave the directory; a shard stands beside its index.
    if (file.empty() || file == ".." || file.find('/') != file.npos ||
        file.find('\0') != file.npos) {
      return broken(index_path, fmt::format("shard {} should be a file name without directory",
                                            quoted(file)));
    }
    out[file].emplace(name);
  }
  return out;
}

}  // namespace

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

Result<Checkpoint> Checkpoint::open(ModelFiles& files) {
  Checkpoint out;
  if (files.gguf() != nullptr) {
    GgufTensors found = TRY(files.gguf()->tensors());
    out.files_.push_back(files.gguf()->bytes());
    if (files.is_mapped()) out.paths_.push_back(files.where());
    out.tensors_ = std::move(found.tensors);
    out.owned_ = std::move(found.owned);
    TRY(out.index(files.where()));
    return out;
  }
  constexpr std::string_view kSingle = "model.safetensors";
  constexpr std::string_view kIndex = "model.safetensors.index.json";
  std::map<std::string, std::set<std::string>> shards;
  const bool single = files.has(kSingle) || !files.has(kIndex);
  if (single) {
    shards[std::string(kSingle)];
  } else {
    const std::string_view index = TRY(files.read(kIndex));
    shards = TRY(shards_of(index, files.path_of(kIndex)));
  }
  for (const auto& [file, names] : shards) {
    const std::string path = files.path_of(file);
    out.files_.push_back(TRY(files.read(file)));
    if (files.is_mapped()) out.paths_.push_back(path);
    std::vector<StoredTensor> tensors = TRY(parse_safetensors(out.files_.back(), path));
    if (!single) {
      std::set<std::string> missing = names;
      for (const StoredTensor& tensor : tensors) missing.erase(tensor.name);
      if (!missing.empty()) {
        return broken(path, fmt::format("the index promises tensor {} here",
                                        quoted(*missing.begin())));
      }
    }
    for (StoredTensor& tensor : tensors) out.tensors_.push_back(std::move(tensor));
  }
  TRY(out.index(files.where()));
  return out;
}

Checkpoint Checkpoint::of(std::vector<StoredTensor> tensors) {
  Checkpoint out;
  out.tensors_ = std::move(tensors);
  const Status indexed = out.index("memory");
  CHECK(indexed.ok(), "a name stands there twice");
  return out;
}

Status Checkpoint::index(std::string_view where) {
  std::sort(tensors_.begin(), tensors_.end(),
            [](const StoredTensor& a, const StoredTensor& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(
      tensors_.begin(), tensors_.end(),
      [](const StoredTensor& a, const StoredTensor& b) { return a.name == b.name; });
  if (twice == tensors_.end()) return ok_status();
  return broken(where, fmt::format("tensor {} stands there twice", quoted(twice->name)));
}

const StoredTensor* Checkpoint::find(std::string_view name) const {
  const auto at = std::lower_bound(
      tensors_.begin(), tensors_.end(), name,
      [](const StoredTensor& tensor, std::string_view wanted) { return tensor.name < wanted; });
  return at != tensors_.end() && at->name == name ? &*at : nullptr;
}

std::string Checkpoint::sha256() const {
  Sha256Stream stream;
  // In pieces, whose pages go at once: the weights would stand in memory twice.
  constexpr size_t kPiece = size_t{16} << 20;
  for (const std::string_view file : files_) {
    for (size_t at = 0; at < file.size(); at += kPiece) {
      const std::string_view piece = file.substr(at, kPiece);
      stream.add(piece);
      if (!paths_.empty()) release_mapped(piece);
    }
  }
  return hex(stream.finish());
}

std::string Checkpoint::identity() const {
  std::string out;
  for (const std::string& path : paths_) {
    const auto line = file_identity(path);
    if (!line.ok()) return {};
    out += line.value() + "\n";
  }
  return out;
}

void Checkpoint::release(const StoredTensor& tensor) const {
  if (paths_.empty()) return;
  const auto mapped = [&](std::string_view bytes) {  // not what had to be computed
    return std::any_of(files_.begin(), files_.end(), [&](std::string_view file) {
      return bytes.data() >= file.data() && bytes.end() <= file.end();
    });
  };
  if (mapped(tensor.bytes)) release_mapped(tensor.bytes);
  for (const std::string_view piece : tensor.pieces) {
    if (mapped(piece)) release_mapped(piece);
  }
}

size_t Checkpoint::bytes() const {
  size_t sum = 0;
  for (const std::string_view file : files_) sum += file.size();
  return sum;
}

}  // namespace weft::model
