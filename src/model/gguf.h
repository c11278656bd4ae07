// SPDX-License-Identifier: Apache-2.0
//
// GGUF, versions 2 and 3: metadata and tensors in one mapped file. The one idea, as in safetensors:
// nothing is believed before it is checked against the bytes that are there; a view handed out is
// inside the file, aligned, apart from all others and as long as its type and shape promise.
//
//   "GGUF" | u32 version | u64 tensors | u64 entries
//   entries: key string | u32 type | value          string: u64 length, bytes
//            type 0 u8  1 i8  2 u16  3 i16  4 u32  5 i32  6 f32  7 bool  8 string
//                 9 array (u32 type of its elements, u64 count)  10 u64  11 i64  12 f64
//   tensors: name string | u32 dimensions | u64 sizes, fastest first | u32 type | u64 offset
//   padding to general.alignment (32) | data; offsets count from here and are multiples of it
//
// All numbers are little endian. It knows no architecture (gguf_model does), converts nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/stored_tensor.h"

namespace weft::model {

enum class GgufType : uint32_t {
  kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64
};

// A value of the metadata: one number, one text, or an array of them. Views into the file.
struct GgufValue {
  GgufType type = GgufType::kU8;  // of the elements, for an array
  bool is_array = false;
  uint64_t count = 1;
  std::string_view raw;                   // the numbers as they lie in the file
  std::vector<std::string_view> strings;  // of type kString

  bool is_integer() const;
  // Element i of numbers or flags; i < count, and of the kind asked for.
  double number(uint64_t i = 0) const;
  // Nothing if it is no integer or flag, or outside 64 bits with sign.
  std::optional<int64_t> integer(uint64_t i = 0) const;
};
std::string_view name_of(GgufType type);  // "u32", "string"

struct GgufEntry {
  std::string_view key;
  GgufValue value;
};

struct GgufFile {
  uint32_t version = 0;
  std::vector<GgufEntry> entries;     // in file order, keys distinct
  std::vector<StoredTensor> tensors;  // in file order, names distinct; shapes row-major

  const GgufValue* find(std::string_view key) const;  // nullptr if absent
};

// `where` names the file in messages. Views point into `file`. E0220: anything that the format
// forbids, a limit of sanity exceeded, a tensor type that weft does not compute with.
Result<GgufFile> parse_gguf(std::string_view file, std::string_view where);

// The file begins as a GGUF file does.
bool looks_like_gguf(std::string_view file);

}  // namespace weft::model
