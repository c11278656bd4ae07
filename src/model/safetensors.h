// SPDX-License-Identifier: Apache-2.0
//
// Safetensors: tensors by name in a mapped file. The one idea: nothing of the header is believed
// before it is checked against the bytes that are there, so that a view handed out is always
// inside its file and has exactly the size its shape and type promise.
//
//   | 8 bytes: length N of the header, little endian | N bytes: JSON | data … end of file |
//   {"__metadata__": {…}, "NAME": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}, …}
//
// Offsets count from the end of the header; tensors cover the data without gap or overlap. Large
// checkpoints are several such files and model.safetensors.index.json, whose "weight_map" gives
// the file of each tensor.
//
// It converts nothing and copies nothing: data may start at any address, so readers use memcpy.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/stored_tensor.h"

namespace weft::model {

// The tensors of one file, in ascending order of their data. `where` names the file in messages.
// Views point into `file`. E0210: anything the format forbids.
Result<std::vector<StoredTensor>> parse_safetensors(std::string_view file, std::string_view where);

// The shards that an index lists, in name order, and which tensors each must hold.
using Shards = std::map<std::string, std::set<std::string>>;
// Of the text of model.safetensors.index.json. E0210: not that form, a shard in another directory.
Result<Shards> parse_safetensors_index(std::string_view text, std::string_view where);

// E0210 with the hint that belongs to it.
Error broken_safetensors(std::string_view where, std::string what);

}  // namespace weft::model
