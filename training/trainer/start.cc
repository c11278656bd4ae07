// SPDX-License-Identifier: Apache-2.0
#include "start.h"

#include <algorithm>
#include <cmath>

namespace weft_training {
namespace {

constexpr int kFree = 64;       // floats of the stream behind the meaning
constexpr int kSignature = 20;  // floats of a token's signature
constexpr float kFreeSize = 0.2f;       // root mean square of a signature, and the constant
constexpr float kEvenGain = 0.25f;      // small queries: attention starts nearly even
constexpr float kSharpGain = 2.0f;      // where a head has to pick one place
constexpr float kMeanShare = 0.4f;      // of the mean in the stream
constexpr float kNoteShare = 0.2f;      // of the signature of the token before, in the stream
constexpr float kSingleShare = 0.03f;   // of the token that followed the same token
constexpr float kDoubleShare = 1.5f;    // of the token that followed the same two tokens
constexpr float kMeaningGain = 0.8f;    // of the last norm; what is noted down is no token to write
constexpr float kFreeGain = 0.1f;
constexpr int kLookBackPairs = 8;       // rotary pairs of a head that looks one token back
constexpr int kSinglePairs = 10;        // slow rotary pairs that compare one signature
constexpr int kDoublePairs = 14;        // slow rotary pairs that compare two

struct Free {
  explicit Free(int hidden) : own(hidden - kFree) {}
  int own;
  int before() const { return own + kSignature; }
  int before_that() const { return own + 2 * kSignature; }
  int constant() const { return own + 3 * kSignature; }
};

// One head of one layer, without sharing of keys; writes into the flat parameters.
class Head {
 public:
  Head(const ModelShape& shape, const ParameterTable& table, int layer, int head,
       std::vector<float>& values)
      : hidden_(shape.hidden), dim_(shape.head_dim), width_(shape.query_heads * shape.head_dim),
        first_(head * shape.head_dim) {
    qkv_ = values.data() + table.layer(layer).query_key_value;
    output_ = values.data() + table.layer(layer).attention_output;
    for (int part = 0; part < 3; ++part)
      for (int i = 0; i < dim_; ++i)
        std::fill_n(&row(part, i), hidden_, 0.0f);
    for (int i = 0; i < hidden_; ++i)
      std::fill_n(output_ + static_cast<int64_t>(i) * width_ + first_, dim_, 0.0f);
  }
  void query(int i, int from, float share) { (&row(0, i))[from] = share; }
  void key(int i, int from, float share) { (&row(1, i))[from] = share; }
  void value(int i, int from, float share) { (&row(2, i))[from] = share; }
  void write(int to, int i, float share) {
    output_[static_cast<int64_t>(to) * width_ + first_ + i] = share;
  }

 private:
  float& row(int part, int i) {
    return qkv_[(static_cast<int64_t>(part) * width_ + first_ + i) * hidden_];
  }
  int hidden_, dim_, width_, first_;
  float* qkv_;
  float* output_;
};

float turn_of(int pair, const ModelShape& shape) {
  return std::pow(shape.rope_theta, -2.0f * static_cast<float>(pair) / shape.head_dim);
}

// Looks at the token before: the query is the key turned by one position. Copies `count` floats.
void look_back(Head& head, const ModelShape& shape, int from, int to, int count) {
  const int half = shape.head_dim / 2, constant = Free(shape.hidden).constant();
  for (int pair = 0; pair < kLookBackPairs; ++pair) {
    const float turn = turn_of(pair, shape);
    head.key(pair, constant, 1.0f);
    head.query(pair, constant, std::cos(turn));
    head.query(pair + half, constant, -std::sin(turn));
  }
  for (int i = 0; i < count; ++i) {
    head.value(i, from + i, 1.0f);
    head.write(to + i, i, kNoteShare);
  }
}

// Copies 64 floats of meaning from `first` on.
void put_forward(Head& head, int first, int count, float share) {
  for (int i = 0; i < count; ++i) {
    head.value(i, first + i, 1.0f);
    head.write(first + i, i, share);
  }
}

// Slow pairs keep their direction over hundreds of positions, so they can compare content.
void match_one(Head& head, const ModelShape& shape) {
  const Free free(shape.hidden);
  const int half = shape.head_dim / 2, first = half - kSinglePairs;
  for (int i = 0; i < kSignature; ++i) {
    const int at = i < kSinglePairs ? first + i : half + first + i - kSinglePairs;
    head.query(at, free.own + i, 1.0f);
    head.key(at, free.before() + i, 1.0f);
  }
}

void match_two(Head& head, const ModelShape& shape) {
  const Free free(shape.hidden);
  const int half = shape.head_dim / 2, first = half - kDoublePairs;
  for (int i = 0; i < kDoublePairs; ++i) {
    head.query(first + i, free.own + i, 1.0f);
    head.key(first + i, free.before() + i, 1.0f);
    head.query(half + first + i, free.before() + i, 1.0f);
    head.key(half + first + i, free.before_that() + i, 1.0f);
  }
}

// Even attention, and values that pass the normed stream through.
void add_mean(Head& head, const ModelShape& shape, Random& random, int first, int count) {
  const int half = shape.head_dim / 2;
  for (int i = kLookBackPairs; i < shape.head_dim; ++i) {
    if (i >= half && i < half + kLookBackPairs) continue;  // the sharp pairs of the third head
    for (int j = 0; j < Free(shape.hidden).own; ++j) {
      head.query(i, j, 0.05f * random.normal());
      head.key(i, j, 0.05f * random.normal());
    }
  }
  put_forward(head, first, count, kMeanShare);
}

void start_circuits(const ModelShape& shape, const ParameterTable& table, Random& random,
                    std::vector<float>& values) {
  const Free free(shape.hidden);
  const int dim = shape.head_dim, half = dim / 2;
  const auto head = [&](int layer, int index) { return Head(shape, table, layer, index, values); };
  const auto gains = [&](int64_t offset, float gain) {
    std::fill_n(values.data() + offset, dim, gain);
  };
  for (const int part : {0, 1}) {
    Head mean = head(0, part), single = head(1, part), both = head(2, part);
    add_mean(mean, shape, random, part * dim, dim);
    match_one(single, shape);
    put_forward(single, part * dim, dim, kSingleShare);
    match_two(both, shape);
    put_forward(both, part * dim, dim, kDoubleShare);
  }
  Head before = head(0, 2), before_that = head(1, 2);
  look_back(before, shape, free.own, free.before(), kSignature);
  look_back(before_that, shape, free.before(), free.before_that(), kSignature);
  gains(table.layer(0).query_norm, kEvenGain);
  for (int i = 0; i < kLookBackPairs; ++i)
    for (const int at : {i, i + half})
      for (const int64_t norm : {table.layer(0).query_norm, table.layer(0).key_norm})
        values[norm + at] = kSharpGain;
  for (const int layer : {1, 2}) {
    gains(table.layer(layer).query_norm, kSharpGain);
    gains(table.layer(layer).key_norm, kSharpGain);
  }
  for (int layer = 0; layer < 2; ++layer)  // what is noted down stays clean until it is used
    std::fill_n(values.data() + table.layer(layer).down +
                    static_cast<int64_t>(free.own) * shape.feed_forward,
                static_cast<int64_t>(kFree) * shape.feed_forward, 0.0f);
  for (int i = 0; i < shape.hidden; ++i)
    values[table.final_norm() + i] = i < free.own ? kMeaningGain : kFreeGain;
  for (int token = 0; token < shape.vocabulary; ++token) {
    float* row = values.data() + table.embedding() + static_cast<int64_t>(token) * shape.hidden;
    for (int i = 0; i < kSignature; ++i) row[free.own + i] = kFreeSize * random.normal();
    std::fill(row + free.before(), row + shape.hidden, 0.0f);
    row[free.constant()] = kFreeSize;
  }
}

bool has_circuits(const ModelShape& s) {
  return s.layers >= 3 && s.query_heads >= 3 && s.key_heads == s.query_heads && s.head_dim == 64 &&
         s.hidden == s.query_heads * s.head_dim;
}

}  // namespace

int meaning_floats(const ModelShape& shape) {
  return has_circuits(shape) ? Free(shape.hidden).own : shape.hidden;
}

std::vector<float> initial_parameters(const ModelShape& shape, uint64_t seed) {
  const ParameterTable table(shape);
  std::vector<float> values(table.count(), 1.0f);
  Random random(seed);
  for (const ParameterSpan& span : table.spans()) {
    if (!span.is_matrix()) continue;
    float deviation = 0.8f / std::sqrt(static_cast<float>(span.columns));
    if (span.name == "embed_tokens") deviation = 0.02f;
    if (span.name.ends_with("attention_output") || span.name.ends_with("down"))
      deviation = 1.0f / std::sqrt(static_cast<float>(span.columns) * 2 * shape.layers);
    for (int64_t i = 0; i < span.count(); ++i)
      values[span.offset + i] = deviation * random.normal();
  }
  if (has_circuits(shape)) start_circuits(shape, table, random, values);
  return values;
}

}  // namespace weft_training
