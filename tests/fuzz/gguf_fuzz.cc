// SPDX-License-Identifier: Apache-2.0
// GGUF: whatever the bytes, views lie inside the file, apart from each other, and fit their shapes;
// what is accepted can be shown as a directory, and every row of every tensor can be read.
// covers: src/model/gguf*.cc src/model/blocks.cc src/model/stored_tensor.cc
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "model/blocks.h"
#include "model/config.h"
#include "model/gguf_model.h"
#include "text/tokenizer.h"

namespace {

using namespace weft;

void read_everything(const model::StoredTensor& tensor) {
  CHECK(tensor.rows() > 0 && tensor.columns() > 0);
  const size_t width = tensor.row_bytes();
  CHECK(width * static_cast<size_t>(tensor.rows()) == tensor.byte_count());
  if (tensor.byte_count() > 1 << 16) return;
  std::vector<float> row(static_cast<size_t>(tensor.columns()));
  for (int64_t r = 0; r < tensor.rows(); ++r) {
    model::read_elements(tensor.dtype, tensor.row(r), row);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  const auto parsed = model::GgufModel::parse(file, "input");
  if (!parsed.ok()) return 0;
  size_t sum = 0;
  for (const model::StoredTensor& tensor : parsed->file().tensors) {
    CHECK(tensor.bytes.data() >= file.data());
    CHECK(tensor.bytes.data() + tensor.bytes.size() <= file.data() + file.size());
    sum += tensor.bytes.size();
  }
  CHECK(sum <= size);
  if (const auto tensors = parsed->tensors(); tensors.ok()) {
    for (const model::StoredTensor& tensor : tensors->tensors) read_everything(tensor);
  }
  const auto config = parsed->text("config.json");
  const auto generation = parsed->text("generation_config.json");
  if (config.ok() && generation.ok()) (void)model::parse_config(*config, *generation);
  if (!parsed->has("tokenizer.json")) return 0;
  (void)parsed->text("tokenizer_config.json");
  const auto tokenizer = parsed->text("tokenizer.json");
  if (tokenizer.ok()) (void)text::Tokenizer::parse(*tokenizer);
  return 0;
}
