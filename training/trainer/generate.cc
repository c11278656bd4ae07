// SPDX-License-Identifier: Apache-2.0
#include "generate.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <thread>

namespace weft_training {
namespace {

// One prompt on its way: its tokens so far and, per layer, its keys and values.
struct Sequence {
  std::vector<int> tokens;
  size_t done = 0;  // tokens already in the cache
  std::vector<std::vector<float>> cache;  // per layer: rows of key heads, then value heads
  std::vector<int> answer;
  bool finished = false;
};

class Decoder {
 public:
  explicit Decoder(const Checkpoint& weights)
      : shape_(weights.shape), table_(weights.shape), parameters_(weights.parameters.data()),
        angles_(rotary_angles(weights.shape)) {}
  // Feeds what is new of every unfinished sequence; returns the logits behind each.
  std::vector<float> advance(const std::vector<Sequence*>& sequences);
  std::vector<int> pick(const std::vector<float>& logits) const;

 private:
  void layer(int index, const std::vector<Sequence*>& sequences);
  void attend(int index, const std::vector<Sequence*>& sequences);
  std::vector<float> last_logits(const std::vector<Sequence*>& sequences);

  ModelShape shape_;
  ParameterTable table_;
  const float* parameters_;
  std::vector<float> angles_;
  std::vector<int> positions_;
  std::vector<size_t> fed_;  // new rows of each sequence
  std::vector<float> stream_, normed_, raw_, rotated_, attended_, gate_up_, active_, rms_, scores_;
};

std::vector<float> Decoder::advance(const std::vector<Sequence*>& sequences) {
  const size_t hidden = shape_.hidden;
  positions_.clear();
  stream_.clear();
  fed_.clear();
  for (const Sequence* s : sequences) {
    fed_.push_back(s->tokens.size() - s->done);
    for (size_t i = s->done; i < s->tokens.size(); ++i) {
      if (static_cast<int>(i) >= shape_.positions)
        throw std::runtime_error("a sequence grew beyond the positions of the model");
      positions_.push_back(static_cast<int>(i));
      const float* row = parameters_ + table_.embedding() + s->tokens[i] * hidden;
      stream_.insert(stream_.end(), row, row + hidden);
    }
  }
  const size_t rows = positions_.size();
  normed_.resize(rows * hidden);
  raw_.resize(rows * shape_.heads().row_floats());
  rotated_.resize(raw_.size());
  attended_.resize(rows * shape_.query_heads * shape_.head_dim);
  gate_up_.resize(rows * 2 * shape_.feed_forward);
  active_.resize(rows * shape_.feed_forward);
  rms_.resize(rows * (shape_.query_heads + shape_.key_heads));
  for (int i = 0; i < shape_.layers; ++i) layer(i, sequences);
  for (Sequence* s : sequences) s->done = s->tokens.size();
  return last_logits(sequences);
}

void Decoder::layer(int index, const std::vector<Sequence*>& sequences) {
  const LayerOffsets& o = table_.layer(index);
  const int rows = static_cast<int>(positions_.size());
  const int hidden = shape_.hidden, width = shape_.feed_forward;
  const NormShape norm{rows, hidden, shape_.epsilon};
  rms_norm_forward(stream_.data(), parameters_ + o.attention_norm, normed_.data(), rms_.data(),
                   norm);
  linear_forward(normed_.data(), parameters_ + o.query_key_value, raw_.data(),
                 {rows, hidden, shape_.heads().row_floats()});
  rotate_heads_forward(raw_.data(), parameters_ + o.query_norm, parameters_ + o.key_norm,
                       angles_.data(), positions_.data(), rotated_.data(), rms_.data(), rows,
                       shape_.heads());
  attend(index, sequences);
  linear_forward(attended_.data(), parameters_ + o.attention_output, stream_.data(),
                 {rows, shape_.query_heads * shape_.head_dim, hidden, true});
  rms_norm_forward(stream_.data(), parameters_ + o.feed_forward_norm, normed_.data(), rms_.data(),
                   norm);
  linear_forward(normed_.data(), parameters_ + o.gate_up, gate_up_.data(),
                 {rows, hidden, 2 * width});
  swiglu_forward(gate_up_.data(), active_.data(), rows, width);
  linear_forward(active_.data(), parameters_ + o.down, stream_.data(),
                 {rows, width, hidden, true});
}

void Decoder::attend(int index, const std::vector<Sequence*>& sequences) {
  const HeadShape heads = shape_.heads();
  const int dim = heads.head_dim;
  const int cached = 2 * heads.key_heads * dim;
  const int query_floats = heads.query_heads * dim;
  const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
  size_t row = 0;
  for (Sequence* s : sequences) {
    std::vector<float>& cache = s->cache[index];
    for (size_t i = s->done; i < s->tokens.size(); ++i, ++row) {
      const float* in = rotated_.data() + row * heads.row_floats();
      cache.insert(cache.end(), in + query_floats, in + query_floats + cached);
      scores_.resize(i + 1);
      for (int h = 0; h < heads.query_heads; ++h) {
        const int shared = h / (heads.query_heads / heads.key_heads);
        float highest = -1e30f, sum = 0;
        for (size_t t = 0; t <= i; ++t) {
          const float* key = cache.data() + t * cached + shared * dim;
          float dot = 0;
#pragma omp simd reduction(+ : dot)
          for (int j = 0; j < dim; ++j) dot += in[h * dim + j] * key[j];
          scores_[t] = dot * scale;
          highest = std::max(highest, scores_[t]);
        }
        float* out = attended_.data() + row * query_floats + h * dim;
        std::fill_n(out, dim, 0.0f);
        for (size_t t = 0; t <= i; ++t) {
          const float* value = cache.data() + t * cached + (heads.key_heads + shared) * dim;
          const float p = std::exp(scores_[t] - highest);
          sum += p;
          for (int j = 0; j < dim; ++j) out[j] += p * value[j];
        }
        for (int j = 0; j < dim; ++j) out[j] /= sum;
      }
    }
  }
}

std::vector<float> Decoder::last_logits(const std::vector<Sequence*>& sequences) {
  const int hidden = shape_.hidden, count = static_cast<int>(sequences.size());
  std::vector<float> last, normed(static_cast<size_t>(count) * hidden), rms(count),
      logits(static_cast<size_t>(count) * shape_.vocabulary);
  size_t row = 0;
  for (size_t i = 0; i < sequences.size(); ++i) {
    row += fed_[i];
    last.insert(last.end(), stream_.begin() + (row - 1) * hidden, stream_.begin() + row * hidden);
  }
  rms_norm_forward(last.data(), parameters_ + table_.final_norm(), normed.data(), rms.data(),
                   {count, hidden, shape_.epsilon});
  linear_forward(normed.data(), parameters_ + table_.embedding(), logits.data(),
                 {count, hidden, shape_.vocabulary});
  return logits;
}

std::vector<int> Decoder::pick(const std::vector<float>& logits) const {
  std::vector<int> picked;
  const int count = static_cast<int>(logits.size()) / shape_.vocabulary;
  for (int i = 0; i < count; ++i) {
    const auto row = logits.begin() + static_cast<int64_t>(i) * shape_.vocabulary;
    picked.push_back(static_cast<int>(std::max_element(row, row + shape_.vocabulary) - row));
  }
  return picked;
}

void generate_group(const Checkpoint& weights, std::vector<Sequence>& group,
                    const GenerateOptions& options) {
  Decoder decoder(weights);
  for (int step = 0; step < options.tokens_max; ++step) {
    std::vector<Sequence*> active;
    for (Sequence& s : group)
      if (!s.finished) active.push_back(&s);
    if (active.empty()) return;
    const std::vector<int> next = decoder.pick(decoder.advance(active));
    for (size_t i = 0; i < active.size(); ++i) {
      Sequence& s = *active[i];
      s.finished = std::ranges::find(options.stop_ids, next[i]) != options.stop_ids.end() ||
                   static_cast<int>(s.tokens.size()) + 1 >= weights.shape.positions;
      if (s.finished) continue;
      s.answer.push_back(next[i]);
      s.tokens.push_back(next[i]);
    }
  }
}


// Calls work(first, last) for every group of prompts, on several threads.
void for_each_group(size_t count, const GenerateOptions& options,
                    const std::function<void(size_t, size_t)>& work) {
  std::atomic<size_t> next_group{0};
  const auto loop = [&] {
    use_one_thread_per_caller();
    for (size_t first = options.group * next_group++; first < count;
         first = options.group * next_group++)
      work(first, std::min<size_t>(first + options.group, count));
  };
  std::vector<std::jthread> helpers;
  for (int i = 1; i < options.threads; ++i) helpers.emplace_back(loop);
  loop();
}

std::vector<Sequence> sequences_of(const Checkpoint& weights,
                                   const std::vector<std::vector<int>>& prompts, size_t first,
                                   size_t last) {
  std::vector<Sequence> group(last - first);
  for (size_t i = first; i < last; ++i) {
    group[i - first].tokens = prompts[i];
    group[i - first].cache.resize(weights.shape.layers);
  }
  return group;
}

}  // namespace

std::vector<std::vector<int>> generate(const Checkpoint& weights,
                                       const std::vector<std::vector<int>>& prompts,
                                       const GenerateOptions& options) {
  std::vector<std::vector<int>> answers(prompts.size());
  for_each_group(prompts.size(), options, [&](size_t first, size_t last) {
    std::vector<Sequence> group = sequences_of(weights, prompts, first, last);
    generate_group(weights, group, options);
    for (size_t i = first; i < last; ++i) answers[i] = std::move(group[i - first].answer);
  });
  return answers;
}

std::vector<std::vector<float>> choose(const Checkpoint& weights,
                                       const std::vector<std::vector<int>>& prompts,
                                       const std::vector<int>& choices,
                                       const GenerateOptions& options) {
  std::vector<std::vector<float>> found(prompts.size());
  for_each_group(prompts.size(), options, [&](size_t first, size_t last) {
    std::vector<Sequence> group = sequences_of(weights, prompts, first, last);
    std::vector<Sequence*> pointers;
    for (Sequence& s : group) pointers.push_back(&s);
    Decoder decoder(weights);
    const std::vector<float> logits = decoder.advance(pointers);
    for (size_t i = first; i < last; ++i)
      for (const int id : choices)
        found[i].push_back(logits[(i - first) * weights.shape.vocabulary + id]);
  });
  return found;
}

}  // namespace weft_training
