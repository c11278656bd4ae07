// SPDX-License-Identifier: Apache-2.0
// Determinism of every family, by forward passes driven by hand: a sequence's hidden rows and
// logits have the same bits alone and in batches, in any chunks, on any threads and kernel table,
// in f32 and with 8-bit weights; cache and states are filled with NaN before, so that reading what
// was not written shows. And what a checkpoint of each family must have.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <future>
#include <map>
#include <numeric>

#include "base/threads.h"
#include "model/checkpoint.h"
#include "model/safetensors.h"
#include "runtime/engine.h"
#include "runtime/evaluator.h"
#include "tests/engine/random_family.h"
#include "tests/instrumented.h"

namespace weft::runtime {
namespace {

using testing_model::FamilyShape;
using testing_model::RandomFamily;
using text::TokenId;

constexpr int kVocabulary = RandomFamily::kVocabulary;
// The span of attention is 256 positions; the four lengths around it come first.
constexpr int kLengths[] = {257, 1031, 255, 256, 1, 2, 3, 31, 32, 33, 63, 64, 65, 5, 100, 17, 80};

using tensor::Numerics;

std::shared_ptr<ModelInstance> load(const RandomFamily& random, model::Precision precision,
                                    std::optional<tensor::KvType> kv = {},
                                    Numerics numerics = Numerics::kPortable) {
  auto loaded = ModelInstance::load(
      random.files(), {.precision = precision, .kv = kv, .numerics = numerics, .threads = 1});
  EXPECT_TRUE(loaded.ok()) << (loaded.ok() ? "" : loaded.error().text());
  return loaded.value();
}

std::unique_ptr<tensor::Ops> ops_of(const ModelInstance& model, int threads,
                                    std::string table = "") {
  return tensor::Ops::create({.threads = threads, .table = std::move(table),
                              .numerics = model.numerics}).value();
}

std::vector<TokenId> prompt_of(int index) {
  std::mt19937_64 random(static_cast<uint64_t>(index) + 100);
  std::vector<TokenId> out;
  for (int i = 0; i < kLengths[index]; ++i) {
    out.push_back(static_cast<TokenId>(random() % kVocabulary));
  }
  return out;
}

// What a sequence gives: all hidden rows and the logits of the last one, one behind the other.
using Bits = std::vector<float>;

// Sequences computed together, each in its own blocks (scattered) and with its own state.
class Driver {
 public:
  Driver(ModelInstance& model, tensor::Ops& ops, std::vector<int> indices)
      : family_(*model.family), ops_(ops), indices_(std::move(indices)),
        cache_(model.kv_shape(), blocks_in_all()) {
    const float nan = std::nanf("");
    const family::KvBlocks& kv = cache_.view();
    if (kv.block_bytes() > 0) std::fill_n(kv.base, kv.block_bytes() * cache_.blocks(), 0xff);
    int next = 0;
    for (const int index : indices_) {
      Sequence s;
      s.tokens = prompt_of(index);
      s.blocks.resize((s.tokens.size() + 31) / 32);
      for (int32_t& block : s.blocks) block = scattered(next++);
      s.state.assign(static_cast<size_t>(family_.state_floats()), nan);
      sequences_.push_back(std::move(s));
    }
  }

  // At most `chunk` tokens of each sequence a pass.
  std::vector<Bits> run(int chunk) {
    for (Sequence& s : sequences_) s.done = 0;
    std::vector<Bits> out(sequences_.size());
    while (pass(chunk, out)) {
    }
    return out;
  }

 private:
  struct Sequence {
    std::vector<TokenId> tokens;
    std::vector<int32_t> blocks;
    std::vector<float> state;
    int done = 0;
  };

  int blocks_in_all() const {
    int blocks = 0;
    for (const int index : indices_) blocks += (kLengths[index] + 31) / 32;
    return blocks;
  }
  // A walk over all blocks in a step that has no common divisor with their number.
  int scattered(int i) const {
    const int n = cache_.blocks();
    int step = n / 2 + 1;
    while (std::gcd(step, n) != 1) ++step;
    return static_cast<int>(int64_t{i} * step % n);
  }

  bool pass(int chunk, std::vector<Bits>& out) {
    std::vector<TokenId> tokens;
    std::vector<int32_t> positions;
    std::vector<tensor::SequenceRows> rows;
    std::vector<float*> states;
    std::vector<size_t> which;
    for (size_t i = 0; i < sequences_.size(); ++i) {
      Sequence& s = sequences_[i];
      const int count = std::min(chunk, static_cast<int>(s.tokens.size()) - s.done);
      if (count == 0) continue;
      rows.push_back({s.blocks, static_cast<int64_t>(tokens.size()), count, s.done});
      states.push_back(s.state.data());
      which.push_back(i);
      for (int t = s.done; t < s.done + count; ++t) {
        tokens.push_back(s.tokens[static_cast<size_t>(t)]);
        positions.push_back(t);
      }
      s.done += count;
    }
    if (tokens.empty()) return false;
    const int64_t width = family_.hidden_size();
    std::vector<float> hidden(tokens.size() * static_cast<size_t>(width));
    const auto m = static_cast<int64_t>(tokens.size());
    family_.forward(ops_, {tokens, positions, rows, states}, cache_.view(),
                    {hidden.data(), m, width});
    for (size_t k = 0; k < rows.size(); ++k) {
      const Sequence& s = sequences_[which[k]];
      Bits& bits = out[which[k]];
      const auto first = hidden.begin() + rows[k].first_row * width;
      bits.insert(bits.end(), first, first + rows[k].rows * width);
      if (s.done < static_cast<int>(s.tokens.size())) continue;
      std::vector<float> logits(kVocabulary);
      family_.head(ops_, {&*first + (rows[k].rows - 1) * width, 1, width},
                   {logits.data(), 1, kVocabulary});
      bits.insert(bits.end(), logits.begin(), logits.end());
    }
    return true;
  }

  family::Family& family_;
  tensor::Ops& ops_;
  std::vector<int> indices_;
  KvCache cache_;
  std::vector<Sequence> sequences_;
};

std::vector<int> first(int count) {
  std::vector<int> out(static_cast<size_t>(count));
  std::iota(out.begin(), out.end(), 0);
  return out;
}

// Every sequence alone, whole, on one thread.
std::vector<Bits> alone(ModelInstance& model, int count) {
  const auto ops = ops_of(model, 1);
  std::vector<Bits> out;
  for (int i = 0; i < count; ++i) out.push_back(Driver(model, *ops, {i}).run(4096)[0]);
  for (const Bits& bits : out) {
    EXPECT_TRUE(std::ranges::all_of(bits, [](float x) { return std::isfinite(x); }));
  }
  return out;
}

void expect_same(const std::vector<Bits>& got, const std::vector<Bits>& expected) {
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].size(), expected[i].size());
    EXPECT_EQ(0, std::memcmp(got[i].data(), expected[i].data(), got[i].size() * sizeof(float)))
        << "sequence " << i << " of " << got.size();
  }
}

struct Variant {
  int batch;
  int chunk;
  int threads;
  const char* table = "";
};

void expect_invariance(ModelInstance& model, const std::vector<Variant>& variants) {
  int most = 0;
  for (const Variant& v : variants) most = std::max(most, v.batch);
  const auto expected = alone(model, most);
  for (const Variant& v : variants) {
    SCOPED_TRACE(fmt::format("batch {} chunk {} threads {} {}", v.batch, v.chunk, v.threads,
                             v.table));
    if (!tensor::Ops::create({.threads = 1, .table = v.table}).ok()) continue;  // older machine
    const auto ops = ops_of(model, v.threads, v.table);
    Driver driver(model, *ops, first(v.batch));
    expect_same(driver.run(v.chunk), expected);
    // Computed again from the start, as after preemption, in the dirty state and other chunks.
    if (v.chunk == 64) expect_same(driver.run(97), expected);
  }
}

class Families : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(All, Families, testing::ValuesIn(testing_model::kFamilyKinds),
                         [](const auto& kind) { return std::string(kind.param); });

TEST_P(Families, BatchesChunksThreadsAndTablesChangeNoBit) {
  const RandomFamily random({.kind = GetParam()});
  for (const auto precision : {model::Precision::kF32, model::Precision::kQ8}) {
    SCOPED_TRACE(name_of(precision));
    const auto model = load(random, precision);
    // The scalar table is slow: it gets the sequence of 257.
    std::vector<Variant> variants = {{1, 64, 1, "scalar"}, {2, 1, 1}, {3, 4096, 2}};
    // Instrumented, the large batches are left to one precision.
    if (!kInstrumented) variants.push_back({17, 64, 1});
    if (!kInstrumented || precision == model::Precision::kQ8) {
      variants.insert(variants.end(), {{16, 64, 2, "avx2"}, {17, 4096, 4},
                                         {2, 100, 2, "amx-twin"}});
    }
    expect_invariance(*model, variants);
  }
}

TEST_P(Families, HoldsForEveryHeadSize) {
  for (const int head_dim : {40, 80, 128}) {
    SCOPED_TRACE(head_dim);
    const RandomFamily random({.kind = GetParam(), .head_dim = head_dim});
    const auto model = load(random, model::Precision::kQ8);
    expect_invariance(*model, {{1, 1, 1}, {1, 100, 1, "scalar"}, {4, 64, 2}, {5, 300, 1, "avx2"},
                               {3, 200, 1, "amx-twin"}});
  }
}

// One class of bits for every token, whatever multiplies: also where few tokens go another way.
TEST_P(Families, FastNumericsHoldToo) {
  const RandomFamily random({.kind = GetParam()});
  const auto model = load(random, model::Precision::kNative, {}, Numerics::kFast);
  std::vector<Variant> variants = {{1, 64, 1, "scalar"}, {2, 1, 1}, {4, 64, 2, "amx-twin"}};
  if (!kInstrumented) {
    variants.insert(variants.end(), {{17, 64, 1}, {16, 4096, 4}, {3, 100, 2, "avx2"},
                                     {3, 7, 1, "avx512"}, {5, 300, 2, "avx512-bf16"}});
  }
  expect_invariance(*model, variants);
  const auto portable = load(random, model::Precision::kNative);
  EXPECT_NE(alone(*portable, 1), alone(*model, 1));
}

// Weights kept as bf16 meet the same float32 arithmetic, given the same cache; 8-bit ones are near.
TEST_P(Families, PrecisionsAgree) {
  const RandomFamily random({.kind = GetParam()});
  const auto exact = load(random, model::Precision::kF32);
  const auto expected = alone(*exact, 1);
  const auto native = load(random, model::Precision::kNative, tensor::KvType::kF32);
  expect_same(alone(*native, 1), expected);
  const auto q8 = alone(*load(random, model::Precision::kQ8), 1);
  double error = 0;
  double size = 0;
  for (size_t i = 0; i < q8[0].size(); ++i) {
    error += std::pow(double{q8[0][i]} - expected[0][i], 2);
    size += std::pow(double{expected[0][i]}, 2);
  }
  RecordProperty("relative_error", fmt::format("{:.4f}", std::sqrt(error / size)));
  EXPECT_GT(error, 0);
  EXPECT_LT(std::sqrt(error / size), 0.1);
}

Completion serve(Engine& engine, int index, int max_tokens) {
  std::promise<Completion> promise;
  Request request;
  request.prompt = prompt_of(index);
  request.max_tokens = max_tokens;
  request.sampling.temperature = 0;
  request.logprobs = true;
  request.on_done = [&](Completion done) { promise.set_value(std::move(done)); };
  EXPECT_TRUE(engine.submit(std::move(request)).ok());
  return promise.get_future().get();
}

// The engine gives states out and takes them back: few slots, cancelled sequences in between.
TEST_P(Families, EngineServesThemAllAlike) {
  const RandomFamily random({.kind = GetParam()});
  const auto model = load(random, model::Precision::kQ8);
  const auto one = Engine::create(model, {.threads = 1, .tokens_per_tick = 4096}).value();
  std::vector<Completion> expected;
  for (int i = 0; i < 8; ++i) expected.push_back(serve(*one, i, 5));
  const size_t block = KvCache::block_bytes(model->kv_shape());
  const size_t state = static_cast<size_t>(model->family->state_floats()) * sizeof(float);
  const auto other = load(random, model::Precision::kQ8);
  const auto few = Engine::create(other, {.threads = 2, .tokens_per_tick = 50, .sequences_max = 3,
                                          .kv_bytes_max = 60 * block + 6 * state}).value();
  std::vector<std::promise<Completion>> promises(16);
  for (int i = 0; i < 16; ++i) {
    Request request;
    request.prompt = prompt_of(i % 8);
    request.max_tokens = 5;
    request.sampling.temperature = 0;
    request.logprobs = true;
    request.on_done = [&promises, i](Completion done) {
      promises[static_cast<size_t>(i)].set_value(std::move(done));
    };
    const auto handle = few->submit(std::move(request));
    ASSERT_TRUE(handle.ok()) << handle.error().text();
    if (i % 5 == 2) handle->cancel();
  }
  for (int i = 0; i < 16; ++i) {
    const Completion got = promises[static_cast<size_t>(i)].get_future().get();
    if (got.finish == Finish::kCancelled) continue;
    EXPECT_EQ(got.tokens, expected[static_cast<size_t>(i % 8)].tokens) << i;
    EXPECT_EQ(got.logprobs, expected[static_cast<size_t>(i % 8)].logprobs) << i;
  }
}

// States come out of the cache's memory; however little there is, one sequence can run.
TEST(RecurrentEngine, LeavesRoomForOneSequence) {
  const RandomFamily random({.kind = "granite_h"});
  const auto roomy = Engine::create(load(random, model::Precision::kQ8), {.threads = 1}).value();
  const auto tight = Engine::create(load(random, model::Precision::kQ8),
                                    {.threads = 1, .kv_bytes_max = 1}).value();
  EXPECT_EQ(tight->context(), 32);  // one block
  for (const int index : {4, 5, 6}) {
    const Completion got = serve(*tight, index, 5);
    const Completion expected = serve(*roomy, index, 5);
    EXPECT_EQ(got.tokens, expected.tokens);
    EXPECT_EQ(got.logprobs, expected.logprobs);
  }
}

// Every tensor of every family is needed, and has one shape.
TEST_P(Families, NamesTheTensorThatIsMissingOrMisshapen) {
  const RandomFamily random({.kind = GetParam()});
  const auto tensors = model::parse_safetensors(random.weights(), "w").value();
  for (const model::StoredTensor& tensor : tensors) {
    for (const bool missing : {true, false}) {
      std::string weights = random.weights();
      // Another name or another shape of as many bytes, in a header of the same length.
      const size_t at = weights.find('"' + tensor.name + '"');
      if (missing) {
        weights[at + 1] = 'X';
      } else {
        const size_t shape = weights.find("\"shape\":[", at) + 9;
        if (tensor.shape.size() < 2 || weights.substr(shape, 2) == "1,") continue;
        const size_t end = weights.find(']', shape);
        std::string turned(weights.substr(shape, end - shape));
        const size_t comma = turned.find(',');
        turned = turned.substr(comma + 1) + "," + turned.substr(0, comma);
        if (turned == weights.substr(shape, end - shape)) continue;
        weights.replace(shape, end - shape, turned);
      }
      auto loaded = ModelInstance::load(model::ModelFiles(
          {{"config.json", random.config()}, {"model.safetensors", weights}}, "m"));
      ASSERT_FALSE(loaded.ok()) << tensor.name;
      EXPECT_EQ(loaded.error().code, "E0212");
      EXPECT_NE(loaded.error().message.find(tensor.name), std::string::npos)
          << loaded.error().text();
    }
  }
}

// Our 8-bit export of every family, stacked experts and Mamba layers included: kept bit for bit.
TEST_P(Families, EightBitExportsAreKept) {
  const RandomFamily random({.kind = GetParam(), .q8_export = true});
  const auto kept = alone(*load(random, model::Precision::kNative), 1);
  expect_same(alone(*load(random, model::Precision::kQ8), 1), kept);
  const auto exact = alone(*load(random, model::Precision::kF32), 1);
  EXPECT_NE(exact[0], kept[0]);
}

// The experts of a Qwen3 MoE layer in one tensor, gate above up, as transformers 5 holds them.
std::string with_stacked_experts(std::string_view weights, int experts) {
  const auto tensors = model::parse_safetensors(weights, "w").value();
  std::map<std::string, std::pair<std::vector<int64_t>, std::string>> out;
  std::map<std::string, std::string> parts;
  for (const auto& t : tensors) {
    parts[t.name] = t.bytes;
    if (t.name.find(".experts.") == std::string::npos) out[t.name] = {t.shape, parts[t.name]};
  }
  for (const auto& t : tensors) {
    const size_t at = t.name.find("experts.0.down_proj");
    if (at == std::string::npos) continue;
    const std::string prefix = t.name.substr(0, at) + "experts.";
    auto& gate_up = out[prefix + "gate_up_proj"];
    auto& down = out[prefix + "down_proj"];
    gate_up.first = {experts, 2 * t.shape[1], t.shape[0]};
    down.first = {experts, t.shape[0], t.shape[1]};
    for (int e = 0; e < experts; ++e) {
      const std::string one = prefix + std::to_string(e) + ".";
      gate_up.second += parts.at(one + "gate_proj.weight") + parts.at(one + "up_proj.weight");
      down.second += parts.at(one + "down_proj.weight");
    }
  }
  json::Object header;
  std::string data;
  for (const auto& [name, tensor] : out) {
    const size_t begin = data.size();
    data += tensor.second;
    header[name] = json::Object{
        {"dtype", "BF16"}, {"shape", json::Array(tensor.first.begin(), tensor.first.end())},
        {"data_offsets", json::Array{begin, data.size()}}};
  }
  const std::string text = json::dump(header);
  const uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + text + data;
}

TEST(Qwen3Moe, ReadsExpertsStackedOrSeparate) {
  const RandomFamily separate({.kind = "qwen3_moe"});
  const std::string weights = with_stacked_experts(separate.weights(), 6);
  const auto stacked = ModelInstance::load(
      model::ModelFiles({{"config.json", separate.config()}, {"model.safetensors", weights}}, "m"),
      {.precision = model::Precision::kQ8});
  ASSERT_TRUE(stacked.ok()) << stacked.error().text();
  expect_same(alone(*stacked.value(), 1), alone(*load(separate, model::Precision::kQ8), 1));
}

}  // namespace
}  // namespace weft::runtime
