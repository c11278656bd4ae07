// SPDX-License-Identifier: Apache-2.0
#include "quality/language.h"

#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <numbers>
#include <vector>

#include "base/file.h"
#include "model/gguf.h"

namespace weft::bench {
namespace {

// On the four layers of the benchmark: entropy 2.9 nats, first choice 54 % likely on the mean.
constexpr double kSpread = 3.6;      // s: deviation of a logit without its lean
constexpr double kLeanMean = 21.0;   // m
constexpr double kLeanSpread = 8.0;  // d
constexpr double kNormSpread = 0.3;
constexpr double kQueryNorm = 2.0;

// Normal numbers from a seed, the same wherever they are drawn again.
class Normals {
 public:
  Normals(uint64_t seed, uint64_t stream) : state_(seed * 0x9E3779B97F4A7C15ULL ^ mixed(stream)) {}

  double next() {
    if (spare_) {
      spare_ = false;
      return second_;
    }
    const double radius = std::sqrt(-2 * std::log(uniform()));
    const double angle = 2 * std::numbers::pi * uniform();
    spare_ = true;
    second_ = radius * std::sin(angle);
    return radius * std::cos(angle);
  }

 private:
  static uint64_t mixed(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  double uniform() {  // in (0, 1)
    state_ += 0x9E3779B97F4A7C15ULL;
    return (static_cast<double>(mixed(state_) >> 11) + 0.5) * 0x1p-53;
  }

  uint64_t state_;
  bool spare_ = false;
  double second_ = 0;
};

float as_bf16(double value) {
  const auto f = static_cast<float>(value);
  uint32_t bits = 0;
  std::memcpy(&bits, &f, 4);
  bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000U;
  float out = 0;
  std::memcpy(&out, &bits, 4);
  return out;
}

// A stream of numbers for each row of each tensor.
constexpr uint64_t kEmbedding = 1;
constexpr uint64_t kHead = 2;
uint64_t stream_of(uint64_t tensor, int64_t row) {
  return (tensor << 32) + static_cast<uint64_t>(row) + 1;
}

void embedding_row(uint64_t seed, int64_t word, std::vector<double>& out) {
  Normals normals(seed, stream_of(kEmbedding, word));
  for (double& x : out) x = as_bf16(normals.next());
}

void head_row(uint64_t seed, int64_t word, int64_t words, std::vector<double>& out) {
  const auto columns = static_cast<double>(out.size());
  Normals normals(seed, stream_of(kHead, word));
  const double lean = kLeanMean + kLeanSpread * normals.next();
  embedding_row(seed, (word + words - 1) % words, out);
  for (double& x : out) x = x * lean / columns + kSpread / std::sqrt(columns) * normals.next();
}

void norm_row(Normals& normals, double mean, std::vector<double>& out) {
  for (double& x : out) x = mean * std::exp(kNormSpread * normals.next());
}

struct Place {
  uint64_t seed;
  uint64_t tensor;  // its index in the file
  int64_t row;
  double layers;
};

void fill_row(const model::StoredTensor& tensor, const Place& place, std::vector<double>& out) {
  const auto [seed, index, row, layers] = place;
  if (tensor.name == "token_embd.weight") return embedding_row(seed, row, out);
  if (tensor.name == "output.weight") return head_row(seed, row, tensor.rows(), out);
  Normals normals(seed, stream_of(index + kHead + 1, row));
  if (tensor.name.ends_with("attn_q_norm.weight")) {
    return norm_row(normals, kQueryNorm, out);
  }
  if (tensor.shape.size() == 1) return norm_row(normals, 1, out);
  double deviation = 1 / std::sqrt(static_cast<double>(out.size()));
  if (tensor.name.ends_with("attn_output.weight") || tensor.name.ends_with("ffn_down.weight")) {
    deviation /= std::sqrt(2 * layers);
  }
  for (double& x : out) x = deviation * normals.next();
}

Status write_at(int file, const std::vector<float>& values, int64_t offset) {
  const size_t bytes = values.size() * sizeof(float);
  const ssize_t written = pwrite(file, values.data(), bytes, offset);
  if (written == static_cast<ssize_t>(bytes)) return ok_status();
  return make_error("E0020", "a row of the model was not written");
}

}  // namespace

Status fill_language(const std::string& path, uint64_t seed) {
  const MappedFile mapped = TRY(MappedFile::open(path));
  const model::GgufFile file = TRY(model::parse_gguf(mapped.bytes(), path));
  const model::GgufValue* layers = file.find("qwen3.block_count");
  if (layers == nullptr) return make_error("E0220", path + " is no qwen3");
  const int out = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (out < 0) return make_error("E0020", path + " cannot be written");
  Status status = ok_status();
  for (uint64_t index = 0; index < file.tensors.size() && status.ok(); ++index) {
    const model::StoredTensor& tensor = file.tensors[index];
    const auto columns = static_cast<size_t>(tensor.columns());
    std::vector<double> row(columns);
    std::vector<float> values(columns);
    for (int64_t i = 0; i < tensor.rows() && status.ok(); ++i) {
      fill_row(tensor, {seed, index, i, layers->number()}, row);
      for (size_t j = 0; j < columns; ++j) values[j] = as_bf16(row[j]);
      status = write_at(out, values, tensor.row(i) - mapped.bytes().data());
    }
  }
  close(out);
  return status;
}

}  // namespace weft::bench
