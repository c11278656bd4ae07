// SPDX-License-Identifier: Apache-2.0
#include "model/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "base/strings.h"
#include "model/gguf_model.h"
#include "model/safetensors.h"

namespace weft::model {

Result<Checkpoint> Checkpoint::open(ModelFiles& files) {
  Checkpoint out;
  if (files.gguf() != nullptr) {
    GgufTensors found = TRY(files.gguf()->tensors());
    out.files_.push_back(files.gguf()->bytes());
    out.mapped_ = files.is_mapped();
    out.identities_.push_back(files.identity_of(""));
    out.tensors_ = std::move(found.tensors);
    out.owned_ = std::move(found.owned);
    TRY(out.index(files.where()));
    return out;
  }
  constexpr std::string_view kSingle = "model.safetensors";
  constexpr std::string_view kIndex = "model.safetensors.index.json";
  Shards shards;
  const bool single = files.has(kSingle) || !files.has(kIndex);
  if (single) {
    shards[std::string(kSingle)];
  } else {
    const std::string_view index = TRY(files.read(kIndex));
    shards = TRY(parse_safetensors_index(index, files.path_of(kIndex)));
  }
  for (const auto& [file, names] : shards) {
    const std::string path = files.path_of(file);
    out.files_.push_back(TRY(files.read(file)));
    out.mapped_ = files.is_mapped();
    out.identities_.push_back(files.identity_of(file));
    std::vector<StoredTensor> tensors = TRY(parse_safetensors(out.files_.back(), path));
    if (!single) {
      std::set<std::string> missing = names;
      for (const StoredTensor& tensor : tensors) missing.erase(tensor.name);
      if (!missing.empty()) {
        return broken_safetensors(path, fmt::format("the index promises tensor {} here",
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
  return broken_safetensors(where,
                            fmt::format("tensor {} stands there twice", quoted(twice->name)));
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
      if (mapped_) release_mapped(piece);
    }
  }
  return hex(stream.finish());
}

std::string Checkpoint::identity() const {
  std::string out;
  for (const std::string& line : identities_) {
    if (line.empty()) return {};
    out += line + "\n";
  }
  return out;
}

void Checkpoint::release(const StoredTensor& tensor) const {
  if (!mapped_) return;
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
