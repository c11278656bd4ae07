// SPDX-License-Identifier: Apache-2.0
// A model loaded from its packed weights is the model: the same logits, the same identity, also
// when the kept file was damaged.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>

#include "base/file.h"
#include "runtime/evaluator.h"

namespace weft::runtime {
namespace {

struct Loaded {
  std::vector<float> logits;
  std::string hash;
};

Loaded load(const std::string& name, const std::string& cache, model::Precision precision) {
  const std::string path = WEFT_SOURCE_DIR "/tests/golden/gguf/models/" + name + "/model.gguf";
  auto files = model::ModelFiles::open(path);
  EXPECT_TRUE(files.ok()) << (files.ok() ? "" : files.error().text());
  auto model = ModelInstance::load(std::move(files).value(), {.precision = precision,
                                                              .threads = 2,
                                                              .cache_directory = cache});
  EXPECT_TRUE(model.ok()) << (model.ok() ? "" : model.error().text());
  const auto ops = tensor::Ops::create({.threads = 1, .table = {}}).value();
  std::vector<text::TokenId> tokens(40);
  std::iota(tokens.begin(), tokens.end(), 3);
  Evaluator evaluator(*model.value(), *ops, 40);
  EXPECT_TRUE(evaluator.feed(tokens).ok());
  const auto row = evaluator.logits(39);
  return {{row.begin(), row.end()}, model.value()->weights_hash};
}

TEST(PackedWeights, EveryStartGivesTheSameModel) {
  const std::string cache = testing::TempDir() + "packed_test_" + std::to_string(::getpid());
  std::filesystem::remove_all(cache);
  size_t kept = 0;
  for (const std::string name : {"qwen3moe", "granitehybrid-moe", "exaone4-hybrid"}) {
    for (const auto precision : {model::Precision::kNative, model::Precision::kQ8}) {
      SCOPED_TRACE(testing::Message() << name << " " << name_of(precision));
      const Loaded plain = load(name, "", precision);
      for (int start = 0; start < 2; ++start) {
        const Loaded again = load(name, cache, precision);
        EXPECT_EQ(again.logits, plain.logits) << "start " << start;
        EXPECT_EQ(again.hash, plain.hash) << "start " << start;
      }
      ++kept;
    }
  }
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(cache)) {
    paths.push_back(entry.path().string());
  }
  if (paths.empty()) GTEST_SKIP() << "SKIPPED: no unnamed files on this file system";
  EXPECT_EQ(paths.size(), kept);
  std::map<std::string, std::string> damaged;
  for (const std::string& path : paths) {  // a byte of the first matrix
    std::string bytes = read_file(path).value();
    bytes[4100] = static_cast<char>(bytes[4100] + 1);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    damaged[path] = bytes;
  }
  const Loaded plain = load("qwen3moe", "", model::Precision::kQ8);
  for (int start = 0; start < 2; ++start) {
    EXPECT_EQ(load("qwen3moe", cache, model::Precision::kQ8).logits, plain.logits);
  }
  int repaired = 0;  // the one that was asked for, and no other
  for (const auto& [path, bytes] : damaged) repaired += read_file(path).value() != bytes ? 1 : 0;
  EXPECT_EQ(repaired, 1);
  std::filesystem::remove_all(cache);
}

}  // namespace
}  // namespace weft::runtime
