// SPDX-License-Identifier: Apache-2.0
#include "model/stored_tensor.h"

#include <fmt/format.h>

#include "base/error.h"

namespace weft::model {

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("({})", fmt::join(shape, ", "));
}

int64_t StoredTensor::rows() const {
  int64_t out = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) out *= shape[i];
  return out;
}

size_t StoredTensor::byte_count() const {
  size_t sum = bytes.size();
  for (const std::string_view piece : pieces) sum += piece.size();
  return sum;
}

size_t StoredTensor::row_bytes() const {
  const int64_t count = rows();
  return count == 0 ? 0 : byte_count() / static_cast<size_t>(count);
}

const char* StoredTensor::row(int64_t row) const {
  const int64_t count = rows();
  CHECK(row >= 0 && row < count, "row {} of {} in '{}'", row, count, name);
  if (interleaved_head > 0) {
    const int64_t half = interleaved_head / 2;
    const int64_t in_head = row % interleaved_head;
    row = row - in_head + in_head % half * 2 + in_head / half;
  }
  const size_t width = row_bytes();
  if (pieces.empty()) return bytes.data() + static_cast<size_t>(row) * width;
  const int64_t piece_rows = count / static_cast<int64_t>(pieces.size());
  return pieces[static_cast<size_t>(row / piece_rows)].data() +
         static_cast<size_t>(row % piece_rows) * width;
}

}  // namespace weft::model
