// SPDX-License-Identifier: Apache-2.0
#include "files.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "start.h"

namespace weft_training {
namespace {

constexpr char kSampleMagic[] = "WFTS0001";
constexpr char kCheckpointMagic[] = "WFTC0001";
constexpr size_t kMagicBytes = 8;
constexpr size_t kHeaderNumbers = 11;

template <typename Value>
void read_array(std::ifstream& in, std::vector<Value>& values, const std::string& path) {
  const auto bytes = static_cast<std::streamsize>(values.size() * sizeof(Value));
  in.read(reinterpret_cast<char*>(values.data()), bytes);
  if (in.gcount() != bytes)
    throw std::runtime_error(path + ": expected " + std::to_string(bytes) +
                             " more bytes, found " + std::to_string(in.gcount()));
}

std::ifstream open_with_magic(const std::string& path, const char* magic) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error(path + ": cannot be opened for reading");
  char found[kMagicBytes] = {};
  in.read(found, kMagicBytes);
  if (std::memcmp(found, magic, kMagicBytes) != 0)
    throw std::runtime_error(path + ": expected the mark " + magic + " at the start, found '" +
                             std::string(found, in.gcount()) + "'");
  return in;
}

}  // namespace

SampleFile::SampleFile(const std::string& path) {
  std::ifstream in = open_with_magic(path, kSampleMagic);
  std::vector<int64_t> counts(2);
  read_array(in, counts, path);
  std::vector<int32_t> lengths(counts[0]);
  read_array(in, lengths, path);
  offsets_.push_back(0);
  for (const int32_t length : lengths) offsets_.push_back(offsets_.back() + length);
  if (offsets_.back() != counts[1])
    throw std::runtime_error(path + ": expected lengths that add up to " +
                             std::to_string(counts[1]) + ", found " +
                             std::to_string(offsets_.back()));
  inputs_.resize(counts[1]);
  targets_.resize(counts[1]);
  weights_.resize(counts[1]);
  read_array(in, inputs_, path);
  read_array(in, targets_, path);
  read_array(in, weights_, path);
}

Batch SampleFile::take(int64_t& sample, int rows_max) const {
  Batch batch;
  while (true) {
    const int64_t at = sample % samples();
    const int64_t first = offsets_[at], last = offsets_[at + 1];
    if (batch.rows() > 0 && batch.rows() + (last - first) > rows_max) return batch;
    batch.tokens.insert(batch.tokens.end(), inputs_.begin() + first, inputs_.begin() + last);
    batch.targets.insert(batch.targets.end(), targets_.begin() + first, targets_.begin() + last);
    for (int64_t i = first; i < last; ++i) batch.loss_weights.push_back(0.01f * weights_[i]);
    batch.starts.push_back(batch.rows());
    ++sample;
  }
}

void read_embeddings(const std::string& path, Checkpoint& checkpoint) {
  const ModelShape& shape = checkpoint.shape;
  const int width = meaning_floats(shape);
  std::vector<float> matrix(static_cast<size_t>(shape.vocabulary) * width);
  const auto expected = matrix.size() * sizeof(float);
  const auto found = std::filesystem::file_size(path);
  if (found != expected)
    throw std::runtime_error(path + ": expected a file of " + std::to_string(expected) +
                             " bytes, found " + std::to_string(found));
  std::ifstream in(path, std::ios::binary);
  read_array(in, matrix, path);
  float* embedding = checkpoint.parameters.data() + ParameterTable(shape).embedding();
  for (int64_t token = 0; token < shape.vocabulary; ++token)
    std::copy_n(matrix.data() + token * width, width, embedding + token * shape.hidden);
}

Checkpoint read_checkpoint(const std::string& path) {
  std::ifstream in = open_with_magic(path, kCheckpointMagic);
  std::vector<int64_t> n(kHeaderNumbers);
  read_array(in, n, path);
  Checkpoint c;
  int* const fields[] = {&c.shape.vocabulary, &c.shape.hidden,   &c.shape.layers,
                         &c.shape.query_heads, &c.shape.key_heads, &c.shape.head_dim,
                         &c.shape.feed_forward, &c.shape.positions};
  for (size_t i = 0; i < std::size(fields); ++i) *fields[i] = static_cast<int>(n[i]);
  c.steps = n[8];
  c.tokens = n[9];
  c.sample = n[10];
  c.parameters.resize(ParameterTable(c.shape).count());
  read_array(in, c.parameters, path);
  if (c.steps < 0) return c;
  c.first_moment.resize(c.parameters.size());
  c.second_moment.resize(c.parameters.size());
  read_array(in, c.first_moment, path);
  read_array(in, c.second_moment, path);
  return c;
}

void write_checkpoint(const std::string& path, const Checkpoint& c) {
  const std::string temporary = path + ".partial";
  {
    std::ofstream out(temporary, std::ios::binary);
    const ModelShape& s = c.shape;
    const std::array<int64_t, kHeaderNumbers> numbers{
        s.vocabulary, s.hidden,       s.layers,    s.query_heads, s.key_heads, s.head_dim,
        s.feed_forward, s.positions, c.steps, c.tokens, c.sample};
    out.write(kCheckpointMagic, kMagicBytes);
    out.write(reinterpret_cast<const char*>(numbers.data()), sizeof numbers);
    for (const auto* values : {&c.parameters, &c.first_moment, &c.second_moment})
      out.write(reinterpret_cast<const char*>(values->data()),
                static_cast<std::streamsize>(values->size() * sizeof(float)));
    if (!out.flush()) throw std::runtime_error(temporary + ": could not be written whole");
  }
  std::filesystem::rename(temporary, path);
}

}  // namespace weft_training
