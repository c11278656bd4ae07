// SPDX-License-Identifier: Apache-2.0
#include "model/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "base/strings.h"
#include "model/blocks.h"

namespace weft::model {
namespace {

// Limits of sanity: published files have up to 100 entries, 2,000 tensors (a few 10,000 where
// experts are apart) and arrays of 300,000 strings.
constexpr uint64_t kEntriesMax = 1 << 16;
constexpr uint64_t kTensorsMax = 1 << 20;
constexpr uint64_t kArrayMax = 1 << 24;
constexpr uint64_t kNameBytesMax = 1 << 10;
constexpr uint64_t kStringBytesMax = 1 << 26;
constexpr uint32_t kGgufDimensionsMax = 4;
constexpr uint64_t kElementsMax = uint64_t{1} << 40;
constexpr uint64_t kAlignmentMax = 1 << 20;

constexpr int kTypeBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
constexpr std::string_view kTypeNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                           "bool", "string", "array", "u64", "i64", "f64"};

// Types of other programs, so that a refusal can name them.
struct ForeignType {
  uint32_t number;
  std::string_view name;
};
constexpr ForeignType kForeignTypes[] = {
    {9, "Q8_1"},     {15, "Q8_K"},   {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"},
    {19, "IQ1_S"},   {21, "IQ3_S"},  {22, "IQ2_S"},   {24, "I8"},     {25, "I16"},
    {26, "I32"},     {27, "I64"},    {28, "F64"},     {29, "IQ1_M"},  {34, "TQ1_0"},
    {35, "TQ2_0"},   {39, "MXFP4"}};

Error broken_gguf(std::string_view where, std::string what) {
  return make_error("E0220", fmt::format("{}: {}", where, what),
                    "the file is damaged or not a complete GGUF file; fetch it again");
}

template <class T>
T load(const char* p) {
  T out;
  std::memcpy(&out, p, sizeof out);
  return out;
}

// Reads forward through the header; every step says what it wants, so that a file cut off
// anywhere is told as such.
class ByteReader {
 public:
  ByteReader(std::string_view file, std::string_view where) : file_(file), where_(where) {}

  Result<std::string_view> take(uint64_t bytes, std::string_view what) {
    if (bytes > left()) {
      return broken_gguf(where_, fmt::format("{} needs {} bytes at byte {}, the file ends after {}",
                                             what, bytes, at_, left()));
    }
    const std::string_view out = file_.substr(at_, bytes);
    at_ += bytes;
    return out;
  }
  template <class T>
  Result<T> number(std::string_view what) {
    const std::string_view bytes = TRY(take(sizeof(T), what));
    return load<T>(bytes.data());
  }
  Result<std::string_view> string(std::string_view what, uint64_t bytes_max) {
    const auto size = TRY(number<uint64_t>(what));
    if (size > bytes_max) {
      return broken_gguf(
          where_, fmt::format("{} claims {} bytes at byte {}, at most {} are allowed", what, size,
                              at_, bytes_max));
    }
    return take(size, what);
  }
  // A number of things that take at least `bytes_each` each.
  Result<uint64_t> count(std::string_view what, uint64_t most, uint64_t bytes_each) {
    const auto found = TRY(number<uint64_t>(what));
    if (found > most || found > left() / bytes_each) {
      return broken_gguf(
          where_, fmt::format("claims {} {}; {} bytes follow, at most {} are allowed", found, what,
                              left(), most));
    }
    return found;
  }
  uint64_t left() const { return file_.size() - at_; }
  uint64_t at() const { return at_; }
  std::string_view where() const { return where_; }

 private:
  std::string_view file_;
  std::string_view where_;
  uint64_t at_ = 0;
};

Result<GgufType> read_type(ByteReader& reader, std::string_view key) {
  const auto type = TRY(reader.number<uint32_t>("the type of a value"));
  if (type > static_cast<uint32_t>(GgufType::kF64)) {
    return broken_gguf(reader.where(), fmt::format("key {} has value type {}, known are 0 to 12",
                                                   quoted(key), type));
  }
  return static_cast<GgufType>(type);
}

Result<GgufValue> read_value(ByteReader& reader, std::string_view key) {
  GgufValue out;
  out.type = TRY(read_type(reader, key));
  const std::string what = fmt::format("the value of {}", quoted(key));
  if (out.type == GgufType::kArray) {
    out.is_array = true;
    out.type = TRY(read_type(reader, key));
    if (out.type == GgufType::kArray) {
      return broken_gguf(reader.where(), what + " is an array of arrays, which no known key has");
    }
  }
  const int bytes = kTypeBytes[static_cast<int>(out.type)];
  if (out.is_array) {
    out.count = TRY(reader.count(fmt::format("elements of {}", quoted(key)), kArrayMax,
                                 bytes == 0 ? 8 : static_cast<uint64_t>(bytes)));
  }
  if (out.type != GgufType::kString) {
    out.raw = TRY(reader.take(out.count * static_cast<uint64_t>(bytes), what));
    return out;
  }
  out.strings.reserve(out.count);
  for (uint64_t i = 0; i < out.count; ++i) {
    out.strings.push_back(TRY(reader.string(what, kStringBytesMax)));
  }
  return out;
}

Status read_entries(ByteReader& reader, uint64_t count, GgufFile& out) {
  std::unordered_set<std::string_view> keys;
  for (uint64_t i = 0; i < count; ++i) {
    GgufEntry entry;
    entry.key = TRY(reader.string(fmt::format("key {}", i), kNameBytesMax));
    if (entry.key.empty() || invalid_utf8_at(entry.key)) {
      return broken_gguf(reader.where(), fmt::format("key {} is {}", i, quoted(entry.key)));
    }
    entry.value = TRY(read_value(reader, entry.key));
    if (!keys.insert(entry.key).second) {
      return broken_gguf(reader.where(), fmt::format("key {} stands twice", quoted(entry.key)));
    }
    out.entries.push_back(std::move(entry));
  }
  return ok_status();
}

struct Located {
  StoredTensor tensor;
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

Result<const BlockFormat*> format_of(uint32_t type, const std::string& place) {
  if (const BlockFormat* format = block_format_of_ggml(type)) return format;
  std::string name = fmt::format("number {}", type);
  for (const ForeignType& foreign : kForeignTypes) {
    if (foreign.number == type) name = foreign.name;
  }
  return make_error("E0220", fmt::format("{} is of type {}", place, name),
                    "supported: F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q2_K Q3_K Q4_K Q5_K Q6_K "
                    "IQ4_NL IQ4_XS; take another quantisation of this model");
}

Result<Located> read_tensor(ByteReader& reader, uint64_t index) {
  Located out;
  const std::string_view name =
      TRY(reader.string(fmt::format("the name of tensor {}", index), kNameBytesMax));
  if (name.empty() || invalid_utf8_at(name)) {
    return broken_gguf(reader.where(), fmt::format("tensor {} is called {}", index, quoted(name)));
  }
  out.tensor.name = name;
  const std::string place = fmt::format("{}: tensor {}", reader.where(), quoted(name));
  const auto dimensions = TRY(reader.number<uint32_t>("the dimensions of a tensor"));
  if (dimensions < 1 || dimensions > kGgufDimensionsMax) {
    return broken_gguf(
        place, fmt::format("has {} dimensions, expected 1 to {}", dimensions, kGgufDimensionsMax));
  }
  uint64_t elements = 1;
  for (uint32_t d = 0; d < dimensions; ++d) {
    const auto size = TRY(reader.number<uint64_t>("the shape of a tensor"));
    if (size < 1 || size > kElementsMax || __builtin_mul_overflow(elements, size, &elements) ||
        elements > kElementsMax) {
      return broken_gguf(
          place, fmt::format("dimension {} is {}; a tensor has 1 to 2^40 elements", d, size));
    }
    out.tensor.shape.insert(out.tensor.shape.begin(), static_cast<int64_t>(size));
  }
  const auto type = TRY(reader.number<uint32_t>("the type of a tensor"));
  const BlockFormat& format = *TRY(format_of(type, place));
  out.tensor.dtype = format.dtype;
  out.tensor.dtype_name = format.name;
  if (out.tensor.columns() % format.elements != 0) {
    return broken_gguf(place, fmt::format("has rows of {} elements, blocks of {} have {}",
                                          out.tensor.columns(), format.name, format.elements));
  }
  out.bytes = elements / static_cast<uint64_t>(format.elements) *
              static_cast<uint64_t>(format.bytes);
  out.offset = TRY(reader.number<uint64_t>("the offset of a tensor"));
  return out;
}

// general.alignment: a power of two, 32 if absent.
Result<uint64_t> alignment_of(const GgufFile& file, std::string_view where) {
  const GgufValue* value = file.find("general.alignment");
  if (value == nullptr) return uint64_t{32};
  const auto found = value->is_array ? std::nullopt : value->integer();
  if (!found || *found < 1 || *found > static_cast<int64_t>(kAlignmentMax) ||
      (*found & (*found - 1)) != 0) {
    return broken_gguf(
        where, fmt::format("general.alignment should be a power of two up to {}", kAlignmentMax));
  }
  return static_cast<uint64_t>(*found);
}

// Gives every tensor its bytes; none may share a byte with another.
Status place_tensors(std::vector<Located>& located, std::string_view data, uint64_t alignment,
                     std::string_view where, GgufFile& out) {
  for (Located& one : located) {
    const std::string place = fmt::format("{}: tensor {}", where, quoted(one.tensor.name));
    if (one.offset % alignment != 0) {
      return broken_gguf(place,
                         fmt::format("begins at byte {} of the data, which is no multiple of {}",
                                     one.offset, alignment));
    }
    if (one.offset > data.size() || one.bytes > data.size() - one.offset) {
      return broken_gguf(place,
                         fmt::format("of {} bytes begins at byte {} of the data, the file has {} "
                                     "bytes of data",
                                     one.bytes, one.offset, data.size()));
    }
    one.tensor.bytes = data.substr(one.offset, one.bytes);
  }
  std::vector<const Located*> order;
  for (const Located& one : located) order.push_back(&one);
  std::sort(order.begin(), order.end(),
            [](const Located* a, const Located* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < order.size(); ++i) {
    const Located& before = *order[i - 1];
    if (before.offset + before.bytes <= order[i]->offset) continue;
    return broken_gguf(where,
                       fmt::format("tensor {} at byte {} of the data overlaps tensor {}, which "
                                   "ends at {}",
                                   quoted(order[i]->tensor.name), order[i]->offset,
                                   quoted(before.tensor.name), before.offset + before.bytes));
  }
  for (Located& one : located) out.tensors.push_back(std::move(one.tensor));
  return ok_status();
}

}  // namespace

std::string_view name_of(GgufType type) { return kTypeNames[static_cast<int>(type)]; }

bool GgufValue::is_integer() const {
  return type != GgufType::kString && type != GgufType::kArray && type != GgufType::kF32 &&
         type != GgufType::kF64 && type != GgufType::kBool;
}

std::optional<int64_t> GgufValue::integer(uint64_t i) const {
  CHECK(i < count);
  const char* p = raw.data() + i * static_cast<uint64_t>(kTypeBytes[static_cast<int>(type)]);
  switch (type) {
    case GgufType::kU8: return load<uint8_t>(p);
    case GgufType::kI8: return load<int8_t>(p);
    case GgufType::kU16: return load<uint16_t>(p);
    case GgufType::kI16: return load<int16_t>(p);
    case GgufType::kU32: return load<uint32_t>(p);
    case GgufType::kI32: return load<int32_t>(p);
    case GgufType::kBool: return load<uint8_t>(p) != 0;
    case GgufType::kI64: return load<int64_t>(p);
    case GgufType::kU64: {
      const auto value = load<uint64_t>(p);
      return value <= INT64_MAX ? std::optional(static_cast<int64_t>(value)) : std::nullopt;
    }
    default: return std::nullopt;
  }
}

double GgufValue::number(uint64_t i) const {
  CHECK(i < count && type != GgufType::kString);
  const char* p = raw.data() + i * static_cast<uint64_t>(kTypeBytes[static_cast<int>(type)]);
  if (type == GgufType::kF32) return static_cast<double>(load<float>(p));
  if (type == GgufType::kF64) return load<double>(p);
  if (type == GgufType::kU64) return static_cast<double>(load<uint64_t>(p));
  return static_cast<double>(*integer(i));
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto at = std::find_if(entries.begin(), entries.end(),
                               [&](const GgufEntry& entry) { return entry.key == key; });
  return at == entries.end() ? nullptr : &at->value;
}

bool looks_like_gguf(std::string_view file) { return file.substr(0, 4) == "GGUF"; }

Result<GgufFile> parse_gguf(std::string_view file, std::string_view where) {
  ByteReader reader(file, where);
  GgufFile out;
  if (TRY(reader.take(4, "the mark 'GGUF'")) != "GGUF") {
    return broken_gguf(
        where, fmt::format("should begin with 'GGUF', begins with {}", quoted(file.substr(0, 4))));
  }
  out.version = TRY(reader.number<uint32_t>("the version"));
  if (out.version != 2 && out.version != 3) {
    const bool swapped = out.version == __builtin_bswap32(2) || out.version == __builtin_bswap32(3);
    return make_error("E0220",
                      fmt::format("{}: {}", where,
                                  swapped ? "is a big-endian GGUF file"
                                          : fmt::format("is GGUF version {}, supported are 2 and 3",
                                                        out.version)),
                      "convert the model again with a current converter");
  }
  // The least of an entry: key length, type, a byte; of a tensor: name length to offset.
  const uint64_t tensors = TRY(reader.count("tensors", kTensorsMax, 8 + 4 + 8 + 4 + 8));
  const uint64_t entries = TRY(reader.count("entries of metadata", kEntriesMax, 8 + 4 + 1));
  TRY(read_entries(reader, entries, out));
  const uint64_t alignment = TRY(alignment_of(out, where));
  std::vector<Located> located;
  std::unordered_set<std::string> names;
  for (uint64_t i = 0; i < tensors; ++i) {
    located.push_back(TRY(read_tensor(reader, i)));
    if (!names.insert(located.back().tensor.name).second) {
      return broken_gguf(where,
                         fmt::format("tensor {} stands twice", quoted(located.back().tensor.name)));
    }
  }
  const uint64_t begin = (reader.at() + alignment - 1) / alignment * alignment;
  if (begin > file.size() && tensors > 0) {
    return broken_gguf(where, fmt::format("the data should begin at byte {}, the file has {}",
                                          begin, file.size()));
  }
  const std::string_view data = begin < file.size() ? file.substr(begin) : std::string_view();
  TRY(place_tensors(located, data, alignment, where, out));
  return out;
}

}  // namespace weft::model
