// SPDX-License-Identifier: Apache-2.0
// The safetensors header: whatever the bytes, views lie inside the file and fit their shapes. An
// input that begins with { is an index and its shards "a", "b", … instead, divided by lines of ---.
// sources: src/model/config.cc src/model/config_families.cc src/model/config_fields.cc
// sources: src/model/config_rope.cc src/model/rope.cc src/model/safetensors.cc
// sources: src/model/checkpoint.cc
// sources: src/model/files.cc src/model/stored_tensor.cc src/model/blocks.cc src/model/gguf*.cc
// covers: src/model/safetensors.cc
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/checkpoint.h"
#include "model/safetensors.h"

namespace {

using namespace weft::model;

void open_checkpoint(std::vector<EmbeddedFile> list) {
  ModelFiles files(std::move(list), "input");
  const auto checkpoint = Checkpoint::open(files);
  if (!checkpoint.ok()) return;
  CHECK(checkpoint->sha256().size() == 64);
  size_t sum = 0;
  for (const StoredTensor& tensor : checkpoint->tensors()) {
    CHECK(checkpoint->find(tensor.name) == &tensor);
    CHECK(!shape_text(tensor.shape).empty());
    sum += tensor.bytes.size();
  }
  CHECK(sum <= checkpoint->bytes() && checkpoint->find("\n") == nullptr);
  CHECK(checkpoint->identity().empty(), "it lies on no disk");
  const Checkpoint copy = Checkpoint::of(checkpoint->tensors());
  for (const StoredTensor& tensor : copy.tensors()) {
    copy.release(tensor);  // no page of it is mapped from a file
    CHECK(checkpoint->find(tensor.name)->bytes == tensor.bytes);
  }
}

void open_sharded(std::string_view input) {
  constexpr std::string_view kBorder = "\n---\n";
  std::vector<EmbeddedFile> list;
  std::string name = "model.safetensors.index.json";
  for (char shard = 'a'; shard <= 'z'; ++shard) {
    const size_t cut = input.find(kBorder);
    list.push_back({name, input.substr(0, cut)});
    if (cut == input.npos) break;
    input.remove_prefix(cut + kBorder.size());
    name = shard;
  }
  open_checkpoint(std::move(list));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  if (file.starts_with('{')) open_sharded(file);
  const auto tensors = parse_safetensors(file, "input");
  if (!tensors.ok()) return 0;
  size_t sum = 0;
  for (const auto& tensor : tensors.value()) {
    CHECK(tensor.bytes.data() >= file.data());
    CHECK(tensor.bytes.data() + tensor.bytes.size() <= file.data() + file.size());
    sum += tensor.bytes.size();
  }
  CHECK(sum <= size);
  open_checkpoint({{"model.safetensors", file}});
  return 0;
}
