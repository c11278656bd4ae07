// SPDX-License-Identifier: Apache-2.0
#include "model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

namespace weft_training {
namespace {

constexpr int kHeadRows = 256;  // scored rows whose logits are alive at a time

}  // namespace

ParameterTable::ParameterTable(const ModelShape& s) {
  embedding_ = add("embed_tokens", s.vocabulary, s.hidden);
  for (int i = 0; i < s.layers; ++i) {
    const std::string at = "layers." + std::to_string(i) + ".";
    LayerOffsets o{};
    o.attention_norm = add(at + "attention_norm", s.hidden, 1);
    o.query_key_value = add(at + "query_key_value", s.heads().row_floats(), s.hidden);
    o.query_norm = add(at + "query_norm", s.head_dim, 1);
    o.key_norm = add(at + "key_norm", s.head_dim, 1);
    o.attention_output = add(at + "attention_output", s.hidden, s.query_heads * s.head_dim);
    o.feed_forward_norm = add(at + "feed_forward_norm", s.hidden, 1);
    o.gate_up = add(at + "gate_up", 2 * s.feed_forward, s.hidden);
    o.down = add(at + "down", s.hidden, s.feed_forward);
    layers_.push_back(o);
  }
  final_norm_ = add("final_norm", s.hidden, 1);
}

int64_t ParameterTable::add(std::string name, int rows, int columns) {
  const int64_t offset = count_;
  spans_.push_back({std::move(name), offset, rows, columns});
  count_ += spans_.back().count();
  return offset;
}

uint64_t Random::next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// Box and Muller; the second number of each pair is not kept.
float Random::normal() {
  const double radius = static_cast<double>((next() >> 11) + 1) * 0x1p-53;
  const double turn = static_cast<double>(next() >> 11) * 0x1p-53;
  return static_cast<float>(std::sqrt(-2.0 * std::log(radius)) *
                            std::cos(2.0 * std::numbers::pi * turn));
}

std::vector<float> rotary_angles(const ModelShape& shape) {
  const int half = shape.head_dim / 2;
  std::vector<float> angles(static_cast<size_t>(shape.positions) * shape.head_dim);
  for (int position = 0; position < shape.positions; ++position)
    for (int j = 0; j < half; ++j) {
      const double turn =
          position * std::pow(static_cast<double>(shape.rope_theta), -2.0 * j / shape.head_dim);
      angles[static_cast<size_t>(position) * shape.head_dim + j] =
          static_cast<float>(std::cos(turn));
      angles[static_cast<size_t>(position) * shape.head_dim + half + j] =
          static_cast<float>(std::sin(turn));
    }
  return angles;
}

Pass::Pass(const ModelShape& shape)
    : shape_(shape), table_(shape), angles_(rotary_angles(shape)), layers_(shape.layers) {}

void RoundedWeights::round(const float* parameters, int first, int stride) {
  const ParameterTable table(shape_);
  for (int i = first; i < shape_.layers; i += stride) {
    const LayerOffsets& o = table.layer(i);
    const auto both = [&](Both& matrix, int64_t offset, int outputs, int inputs) {
      matrix.forward.pack(parameters + offset, {outputs, inputs, inputs, 1});
      matrix.backward.pack(parameters + offset, {inputs, outputs, 1, inputs});
    };
    const int hidden = shape_.hidden, width = shape_.feed_forward;
    both(layers_[i].query_key_value, o.query_key_value, shape_.heads().row_floats(), hidden);
    both(layers_[i].attention_output, o.attention_output, hidden,
         shape_.query_heads * shape_.head_dim);
    both(layers_[i].gate_up, o.gate_up, 2 * width, hidden);
    both(layers_[i].down, o.down, hidden, width);
  }
}

void Pass::resize_for(const Batch& batch) {
  const size_t rows = batch.tokens.size();
  const auto grow = [](std::vector<float>& buffer, size_t count) {
    if (buffer.size() < count) buffer.resize(count);
  };
  const size_t hidden = rows * shape_.hidden;
  const size_t wide = rows * shape_.feed_forward;
  const size_t qkv = rows * shape_.heads().row_floats();
  const size_t attended = rows * shape_.query_heads * shape_.head_dim;
  for (LayerActivations& a : layers_) {
    for (auto* buffer : {&a.input, &a.normed, &a.middle, &a.normed2}) grow(*buffer, hidden);
    for (auto* buffer : {&a.raw, &a.rotated}) grow(*buffer, qkv);
    grow(a.attended, attended);
    grow(a.gate_up, 2 * wide);
    grow(a.active, wide);
    grow(a.inverse_rms, rows);
    grow(a.inverse_rms2, rows);
    grow(a.head_inverse_rms, rows * (shape_.query_heads + shape_.key_heads));
  }
  for (auto* buffer : {&stream_, &dstream_, &normed_, &dnormed_}) grow(*buffer, hidden);
  grow(head_inverse_rms_, rows);
  grow(logits_, static_cast<size_t>(kHeadRows) * shape_.vocabulary);
  grow(dwide_, 3 * wide);
  grow(dnarrow_, std::max(hidden, attended));
  grow(dqkv_, qkv);
  grow(draw_, qkv);
  positions_.resize(rows);
  int longest = 0;
  for (size_t s = 0; s + 1 < batch.starts.size(); ++s) {
    longest = std::max(longest, batch.starts[s + 1] - batch.starts[s]);
    for (int i = batch.starts[s]; i < batch.starts[s + 1]; ++i)
      positions_[i] = i - batch.starts[s];
  }
  grow(scratch_, attention_scratch_floats(longest));
  scored_.clear(), targets_.clear(), weights_.clear();
  for (int i = 0; i < batch.rows(); ++i) {
    if (batch.loss_weights[i] == 0.0f) continue;
    scored_.push_back(i);
    targets_.push_back(batch.targets[i]);
    weights_.push_back(batch.loss_weights[i]);
  }
}

double Pass::run(const Batch& batch, const float* parameters, float* gradient,
                 const RoundedWeights* rounded) {
  resize_for(batch);
  parameters_ = parameters;
  rounded_ = rounded;
  seed_ = batch.seed;
  if (scored_.empty()) return 0;
  const int64_t hidden = shape_.hidden;
  const float* embedding = parameters + table_.embedding();
  for (int i = 0; i < batch.rows(); ++i)
    std::memcpy(stream_.data() + i * hidden, embedding + batch.tokens[i] * hidden,
                sizeof(float) * hidden);
  for (int i = 0; i < shape_.layers; ++i) layer_forward(i, batch, parameters);
  const double loss = head(parameters, gradient);
  if (gradient == nullptr) return loss;
  for (int i = shape_.layers - 1; i >= 0; --i) layer_backward(i, batch, parameters, gradient);
  for (int i = 0; i < batch.rows(); ++i) {
    float* row = gradient + table_.embedding() + batch.tokens[i] * hidden;
    for (int64_t j = 0; j < hidden; ++j) row[j] += dstream_[i * hidden + j];
  }
  return loss;
}

Pass::Product Pass::product(int index, int64_t offset,
                            RoundedWeights::Both RoundedWeights::Layer::*which) const {
  return {parameters_ + offset, rounded_ ? &(rounded_->layer(index).*which) : nullptr};
}

void Pass::forward(const Product& w, const float* x, float* y, MatrixShape shape) {
  if (w.rounded)
    w.rounded->forward.multiply(x, y, shape.rows, shape.accumulate);
  else
    linear_forward(x, w.weights, y, shape);
}

void Pass::backward(const Product& w, const float* dy, float* dx, MatrixShape shape) {
  if (w.rounded)
    w.rounded->backward.multiply(dy, dx, shape.rows, shape.accumulate);
  else
    linear_backward_input(dy, w.weights, dx, shape);
}

// The same values for the same batch, layer and site, so that the way back drops what the way there
// did; a byte of randomness decides for one value.
void Pass::drop_out(float* values, int columns, int layer, Site site) const {
  const auto below = static_cast<uint64_t>(std::lround(dropout_ * 256));
  if (below == 0) return;
  const float kept = 256.0f / static_cast<float>(256 - below);
  Random random((seed_ * 64 + static_cast<uint64_t>(layer)) * 2 + static_cast<uint64_t>(site));
  const int64_t count = static_cast<int64_t>(late_rows_) * columns;
  for (int64_t first = 0; first < count; first += 8) {
    uint64_t bytes = random.next();
    for (int64_t i = first; i < std::min(first + 8, count); ++i, bytes >>= 8)
      values[i] *= (bytes & 255) < below ? 0.0f : kept;
  }
}

// Moves the scored rows to the front, in their order.
void Pass::keep_scored_rows(LayerActivations& a) {
  const int64_t hidden = shape_.hidden, attended = shape_.query_heads * shape_.head_dim;
  for (size_t i = 0; i < scored_.size(); ++i) {
    std::memmove(stream_.data() + i * hidden, stream_.data() + scored_[i] * hidden,
                 sizeof(float) * hidden);
    std::memmove(a.attended.data() + i * attended, a.attended.data() + scored_[i] * attended,
                 sizeof(float) * attended);
  }
}

// The way back: rows to their places, zeros between, in dstream_ and dnarrow_.
void Pass::spread_scored_rows(int rows) {
  const int64_t widths[] = {shape_.hidden, shape_.query_heads * shape_.head_dim};
  float* const buffers[] = {dstream_.data(), dnarrow_.data()};
  for (const int b : {0, 1}) {
    int64_t end = rows;
    for (size_t i = scored_.size(); i-- > 0;) {
      const int64_t at = scored_[i];
      std::fill(buffers[b] + (at + 1) * widths[b], buffers[b] + end * widths[b], 0.0f);
      std::memmove(buffers[b] + at * widths[b], buffers[b] + static_cast<int64_t>(i) * widths[b],
                   sizeof(float) * widths[b]);
      end = at;
    }
    std::fill(buffers[b], buffers[b] + end * widths[b], 0.0f);
  }
}

void Pass::layer_forward(int index, const Batch& batch, const float* parameters) {
  const LayerOffsets& o = table_.layer(index);
  LayerActivations& a = layers_[index];
  const int rows = batch.rows();
  const int hidden = shape_.hidden;
  const HeadShape heads = shape_.heads();
  const int attended = shape_.query_heads * shape_.head_dim;

  std::copy_n(stream_.data(), static_cast<size_t>(rows) * hidden, a.input.data());
  rms_norm_forward(a.input.data(), parameters + o.attention_norm, a.normed.data(),
                   a.inverse_rms.data(), {rows, hidden, shape_.epsilon});
  forward(product(index, o.query_key_value, &RoundedWeights::Layer::query_key_value),
          a.normed.data(), a.raw.data(), {rows, hidden, heads.row_floats()});
  rotate_heads_forward(a.raw.data(), parameters + o.query_norm, parameters + o.key_norm,
                       angles_.data(), positions_.data(), a.rotated.data(),
                       a.head_inverse_rms.data(), rows, heads);
  for (size_t s = 0; s + 1 < batch.starts.size(); ++s) {
    const int64_t first = batch.starts[s];
    attention_forward(a.rotated.data() + first * heads.row_floats(),
                      a.attended.data() + first * attended, scratch_.data(),
                      batch.starts[s + 1] - batch.starts[s], heads);
  }
  late_rows_ = rows;
  if (index + 1 == shape_.layers) {
    keep_scored_rows(a);
    late_rows_ = static_cast<int>(scored_.size());
  }
  drop_out(a.attended.data(), attended, index, Site::attended);
  forward(product(index, o.attention_output, &RoundedWeights::Layer::attention_output),
          a.attended.data(), stream_.data(), {late_rows_, attended, hidden, true});
  feed_forward(index, parameters);
}

void Pass::feed_forward(int index, const float* parameters) {
  const LayerOffsets& o = table_.layer(index);
  LayerActivations& a = layers_[index];
  const int rows = late_rows_, hidden = shape_.hidden, width = shape_.feed_forward;
  std::copy_n(stream_.data(), static_cast<size_t>(rows) * hidden, a.middle.data());
  rms_norm_forward(a.middle.data(), parameters + o.feed_forward_norm, a.normed2.data(),
                   a.inverse_rms2.data(), {rows, hidden, shape_.epsilon});
  forward(product(index, o.gate_up, &RoundedWeights::Layer::gate_up), a.normed2.data(),
          a.gate_up.data(), {rows, hidden, 2 * width});
  swiglu_forward(a.gate_up.data(), a.active.data(), rows, width);
  drop_out(a.active.data(), width, index, Site::active);
  forward(product(index, o.down, &RoundedWeights::Layer::down), a.active.data(), stream_.data(),
          {rows, width, hidden, true});
}

void Pass::layer_backward(int index, const Batch& batch, const float* parameters,
                          float* gradient) {
  const bool last = index + 1 == shape_.layers;
  late_rows_ = last ? static_cast<int>(scored_.size()) : batch.rows();
  feed_forward_backward(index, parameters, gradient);
  attention_part_backward(index, batch, parameters, gradient);
}

void Pass::feed_forward_backward(int index, const float* parameters, float* gradient) {
  const LayerOffsets& o = table_.layer(index);
  LayerActivations& a = layers_[index];
  const int rows = late_rows_, hidden = shape_.hidden, width = shape_.feed_forward;
  float* dactive = dwide_.data();
  float* dgate_up = dwide_.data() + static_cast<int64_t>(rows) * width;

  linear_backward_weight(dstream_.data(), a.active.data(), gradient + o.down,
                         {rows, width, hidden});
  backward(product(index, o.down, &RoundedWeights::Layer::down), dstream_.data(), dactive,
           {rows, width, hidden});
  drop_out(dactive, width, index, Site::active);
  swiglu_backward(dactive, a.gate_up.data(), dgate_up, rows, width);
  linear_backward_weight(dgate_up, a.normed2.data(), gradient + o.gate_up,
                         {rows, hidden, 2 * width});
  backward(product(index, o.gate_up, &RoundedWeights::Layer::gate_up), dgate_up, dnarrow_.data(),
           {rows, hidden, 2 * width});
  rms_norm_backward(dnarrow_.data(), a.middle.data(), parameters + o.feed_forward_norm,
                    a.inverse_rms2.data(), {dstream_.data(), gradient + o.feed_forward_norm},
                    {rows, hidden, shape_.epsilon});
}

void Pass::attention_part_backward(int index, const Batch& batch, const float* parameters,
                                   float* gradient) {
  const LayerOffsets& o = table_.layer(index);
  LayerActivations& a = layers_[index];
  const int rows = batch.rows();
  const int hidden = shape_.hidden;
  const HeadShape heads = shape_.heads();
  const int attended = shape_.query_heads * shape_.head_dim;

  linear_backward_weight(dstream_.data(), a.attended.data(), gradient + o.attention_output,
                         {late_rows_, attended, hidden});
  backward(product(index, o.attention_output, &RoundedWeights::Layer::attention_output),
           dstream_.data(), dnarrow_.data(), {late_rows_, attended, hidden});
  drop_out(dnarrow_.data(), attended, index, Site::attended);
  if (index + 1 == shape_.layers) spread_scored_rows(rows);
  std::fill_n(dqkv_.data(), static_cast<size_t>(rows) * heads.row_floats(), 0.0f);
  for (size_t s = 0; s + 1 < batch.starts.size(); ++s) {
    const int64_t first = batch.starts[s];
    attention_backward(dnarrow_.data() + first * attended,
                       a.rotated.data() + first * heads.row_floats(),
                       dqkv_.data() + first * heads.row_floats(), scratch_.data(),
                       batch.starts[s + 1] - batch.starts[s], heads);
  }
  rotate_heads_backward(dqkv_.data(), a.raw.data(), parameters + o.query_norm,
                        parameters + o.key_norm, angles_.data(), positions_.data(),
                        a.head_inverse_rms.data(),
                        {draw_.data(), gradient + o.query_norm, gradient + o.key_norm}, rows,
                        heads);
  linear_backward_weight(draw_.data(), a.normed.data(), gradient + o.query_key_value,
                         {rows, hidden, heads.row_floats()});
  backward(product(index, o.query_key_value, &RoundedWeights::Layer::query_key_value),
           draw_.data(), dnarrow_.data(), {rows, hidden, heads.row_floats()});
  rms_norm_backward(dnarrow_.data(), a.input.data(), parameters + o.attention_norm,
                    a.inverse_rms.data(), {dstream_.data(), gradient + o.attention_norm},
                    {rows, hidden, shape_.epsilon});
}

// The scored rows, in blocks, always in float32: a softmax of thousands of small values does not
// fit into int8. Leaves the gradient of the scored rows in dstream_.
double Pass::head(const float* parameters, float* gradient) {
  const int64_t hidden = shape_.hidden;
  const int scored = static_cast<int>(scored_.size());
  const NormShape norm{scored, shape_.hidden, shape_.epsilon};
  const float* gain = parameters + table_.final_norm();
  const float* embedding = parameters + table_.embedding();
  rms_norm_forward(stream_.data(), gain, normed_.data(), head_inverse_rms_.data(), norm);
  double loss = 0;
  for (int first = 0; first < scored; first += kHeadRows) {
    const int rows = std::min(kHeadRows, scored - first);
    const MatrixShape product{rows, shape_.hidden, shape_.vocabulary};
    const float* normed = normed_.data() + first * hidden;
    linear_forward(normed, embedding, logits_.data(), product);
    loss += cross_entropy_in_place(logits_.data(), targets_.data() + first,
                                   weights_.data() + first, rows, shape_.vocabulary);
    if (gradient == nullptr) continue;
    linear_backward_weight(logits_.data(), normed, gradient + table_.embedding(), product);
    linear_backward_input(logits_.data(), embedding, dnormed_.data() + first * hidden, product);
  }
  if (gradient == nullptr) return loss;
  std::fill_n(dstream_.data(), scored * hidden, 0.0f);
  rms_norm_backward(dnormed_.data(), stream_.data(), gain, head_inverse_rms_.data(),
                    {dstream_.data(), gradient + table_.final_norm()}, norm);
  return loss;
}

}  // namespace weft_training
