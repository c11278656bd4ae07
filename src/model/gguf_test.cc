// SPDX-License-Identifier: Apache-2.0
// GGUF files made byte by byte: what is read, and that everything the format forbids is refused
// with tensor or key, expectation and finding, wherever the file is cut.
#include "model/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/file.h"
#include "base/json.h"
#include "base/threads.h"
#include "model/blocks.h"
#include "model/config.h"
#include "model/files.h"
#include "model/gguf_model.h"
#include "model/checkpoint.h"
#include "model/weights.h"

namespace weft::model {
namespace {

using testing::HasSubstr;

// Writes the parts of a GGUF file; wrong on purpose where a test says so.
struct Writer {
  std::string bytes;

  template <class T>
  Writer& number(T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Writer& string(std::string_view text) {
    number<uint64_t>(text.size());
    bytes += text;
    return *this;
  }
  Writer& header(uint64_t tensors, uint64_t entries, uint32_t version = 3) {
    bytes += "GGUF";
    return number<uint32_t>(version).number<uint64_t>(tensors).number<uint64_t>(entries);
  }
  Writer& text_entry(std::string_view key, std::string_view value) {
    return string(key).number<uint32_t>(8).string(value);
  }
  Writer& u32_entry(std::string_view key, uint32_t value) {
    return string(key).number<uint32_t>(4).number(value);
  }
  // Sizes fastest first.
  Writer& tensor(std::string_view name, std::vector<uint64_t> sizes, uint32_t type,
                 uint64_t offset) {
    string(name).number<uint32_t>(static_cast<uint32_t>(sizes.size()));
    for (const uint64_t size : sizes) number(size);
    return number(type).number(offset);
  }
  Writer& data(size_t size, size_t alignment = 32) {
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
    bytes.append(size, '\1');
    return *this;
  }
};

std::string gguf_refusal(const std::string& bytes) {
  const auto parsed = parse_gguf(bytes, "m.gguf");
  EXPECT_FALSE(parsed.ok());
  if (parsed.ok()) return "accepted";
  EXPECT_EQ(parsed.error().code, "E0220");
  return parsed.error().message;
}

std::string small_file() {
  Writer w;
  w.header(2, 3).text_entry("general.architecture", "qwen3").u32_entry("qwen3.block_count", 2);
  w.string("list").number<uint32_t>(9).number<uint32_t>(5).number<uint64_t>(2);
  w.number<int32_t>(-7).number<int32_t>(9);
  w.tensor("a", {4, 3}, 0, 0).tensor("b", {32}, 8, 64).data(64 + 34);
  return w.bytes;
}

TEST(Gguf, ReadsEntriesAndTensors) {
  const std::string bytes = small_file();
  const auto file = parse_gguf(bytes, "m.gguf");
  ASSERT_TRUE(file.ok()) << file.error().text();
  EXPECT_EQ(file->find("general.architecture")->strings[0], "qwen3");
  EXPECT_EQ(file->find("qwen3.block_count")->integer(), 2);
  EXPECT_EQ(file->find("list")->count, 2u);
  EXPECT_EQ(file->find("list")->integer(0), -7);
  EXPECT_EQ(file->find("list")->number(1), 9.0);
  EXPECT_EQ(file->find("nothing"), nullptr);
  ASSERT_EQ(file->tensors.size(), 2u);
  EXPECT_EQ(file->tensors[0].shape, (std::vector<int64_t>{3, 4}));
  EXPECT_EQ(file->tensors[0].row(2) - file->tensors[0].row(0), 32);
  EXPECT_EQ(file->tensors[1].bytes.size(), 34u);
  EXPECT_TRUE(looks_like_gguf(bytes));
}

TEST(Gguf, CutAtEveryByteIsRefused) {
  const std::string bytes = small_file();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto parsed = parse_gguf(std::string_view(bytes).substr(0, size), "m.gguf");
    ASSERT_FALSE(parsed.ok()) << size;
    ASSERT_EQ(parsed.error().code, "E0220");
  }
}

// Every byte of the header changed in several ways: refused or read, never out of bounds.
TEST(Gguf, ChangedHeadersDoNoHarm) {
  const std::string good = small_file();
  for (size_t at = 0; at + 64 + 34 < good.size(); ++at) {
    for (const uint8_t value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(value);
      const auto parsed = parse_gguf(bytes, "m.gguf");
      if (!parsed.ok()) continue;
      for (const StoredTensor& tensor : parsed->tensors) {
        ASSERT_GE(tensor.bytes.data(), bytes.data());
        ASSERT_LE(tensor.bytes.data() + tensor.bytes.size(), bytes.data() + bytes.size());
      }
    }
  }
}

TEST(Gguf, RefusesWhatTheFormatForbids) {
  EXPECT_THAT(gguf_refusal("GGML123456789012345678901234"), HasSubstr("should begin with 'GGUF'"));
  EXPECT_THAT(gguf_refusal(Writer().header(0, 0, 1).bytes), HasSubstr("GGUF version 1"));
  EXPECT_THAT(gguf_refusal(Writer().header(0, 0, 0x03000000).bytes), HasSubstr("big-endian"));
  EXPECT_THAT(gguf_refusal(Writer().header(1u << 30, 0).bytes),
              HasSubstr("claims 1073741824 tensors"));
  EXPECT_THAT(gguf_refusal(Writer().header(0, 1u << 30).bytes), HasSubstr("entries of metadata"));
  EXPECT_THAT(gguf_refusal(Writer().header(0, 2).u32_entry("k", 1).u32_entry("k", 1).bytes),
              HasSubstr("key 'k' stands twice"));
  EXPECT_THAT(gguf_refusal(Writer().header(0, 1).string("k").number<uint32_t>(13).data(64).bytes),
              HasSubstr("value type 13"));
  Writer nested;
  nested.header(0, 1).string("k").number<uint32_t>(9).number<uint32_t>(9).data(64);
  EXPECT_THAT(gguf_refusal(nested.bytes), HasSubstr("array of arrays"));
  Writer huge;
  huge.header(0, 1).string("k").number<uint32_t>(9).number<uint32_t>(4);
  huge.number<uint64_t>(uint64_t{1} << 62).data(64);
  EXPECT_THAT(gguf_refusal(huge.bytes), HasSubstr("elements of 'k'"));
  EXPECT_THAT(gguf_refusal(Writer().header(0, 1).u32_entry("general.alignment", 24).data(64).bytes),
              HasSubstr("power of two"));
}

TEST(Gguf, RefusesTensorsThatDoNotFit) {
  const auto one = [](std::vector<uint64_t> sizes, uint32_t type, uint64_t offset) {
    Writer w;
    return gguf_refusal(w.header(1, 0).tensor("t", std::move(sizes), type, offset).data(128).bytes);
  };
  EXPECT_THAT(one({32}, 0, 8), HasSubstr("no multiple of 32"));
  EXPECT_THAT(one({33}, 0, 0), HasSubstr("of 132 bytes begins at byte 0 of the data, the file"));
  EXPECT_THAT(one({32}, 0, uint64_t{1} << 63), HasSubstr("begins at byte 9223372036854775808"));
  EXPECT_THAT(one({40}, 2, 0), HasSubstr("rows of 40 elements, blocks of Q4_0 have 32"));
  EXPECT_THAT(one({256}, 16, 0), HasSubstr("is of type IQ2_XXS"));
  EXPECT_THAT(one({256}, 77, 0), HasSubstr("is of type number 77"));
  EXPECT_THAT(one({}, 0, 0), HasSubstr("has 0 dimensions"));
  EXPECT_THAT(one({1, 1, 1, 1, 1}, 0, 0), HasSubstr("has 5 dimensions"));
  EXPECT_THAT(one({4, 0}, 0, 0), HasSubstr("dimension 1 is 0"));
  EXPECT_THAT(one({uint64_t{1} << 39, 4}, 0, 0), HasSubstr("1 to 2^40 elements"));
  Writer overlap;
  overlap.header(2, 0).tensor("a", {16}, 0, 0).tensor("b", {8}, 0, 32).data(64);
  EXPECT_THAT(gguf_refusal(overlap.bytes),
              HasSubstr("tensor 'b' at byte 32 of the data overlaps tensor 'a', which ends at 64"));
  Writer twice;
  twice.header(2, 0).tensor("a", {8}, 0, 0).tensor("a", {8}, 0, 32).data(64);
  EXPECT_THAT(gguf_refusal(twice.bytes), HasSubstr("tensor 'a' stands twice"));
}

// --- the file as a directory, on the golden models with single values changed ---

std::string golden(const std::string& name) {
  return read_file(WEFT_SOURCE_DIR "/tests/golden/gguf/models/" + name + "/model.gguf").value();
}

// The same file with the 4 bytes of a number of the metadata exchanged.
std::string with_u32(std::string bytes, const std::string& key, uint32_t value) {
  const size_t at = bytes.find(key);
  EXPECT_NE(at, bytes.npos) << key;
  std::memcpy(bytes.data() + at + key.size() + 4, &value, 4);
  return bytes;
}

std::string text_error(const std::string& bytes, const std::string& name) {
  const auto model = GgufModel::parse(bytes, "m.gguf");
  if (!model.ok()) return model.error().text();
  const auto text = model->text(name);
  return text.ok() ? "accepted" : text.error().text();
}

TEST(GgufModel, MetadataBecomesAConfiguration) {
  const std::string bytes = golden("qwen3-yarn");
  const auto model = GgufModel::parse(bytes, "m.gguf");
  ASSERT_TRUE(model.ok()) << model.error().text();
  const std::string text = model->text("config.json").value();
  const auto config = parse_config(text, model->text("generation_config.json").value());
  ASSERT_TRUE(config.ok()) << config.error().text();
  EXPECT_EQ(config->family, "qwen3");
  EXPECT_EQ(config->vocab_size, 256);
  EXPECT_EQ(config->head_dim, 64);
  EXPECT_TRUE(config->rope.kind == RopeSpec::Kind::kYarn);
  EXPECT_EQ(config->rope.factor, 4.0);
  EXPECT_EQ(config->context, 131072);
  EXPECT_EQ(config->eos, std::vector<text::TokenId>{253});
}

TEST(GgufModel, RefusesMetadataThatDoesNotFit) {
  const std::string bytes = golden("qwen3-yarn");
  EXPECT_EQ(text_error(with_u32(bytes, "qwen3.block_count", 0), "config.json"),
            "E0220 m.gguf: key 'qwen3.block_count' should be an integer from 1 to 1024, found u32 "
            "0.0. hint: convert the model again with a current converter");
  std::string renamed = bytes;
  renamed.replace(renamed.find("qwen3.block_count"), 17, "qwen3.blocc_count");
  EXPECT_THAT(text_error(renamed, "config.json"), HasSubstr("key 'qwen3.block_count' is missing"));
  EXPECT_THAT(text_error(bytes, "tokenizer.json"), HasSubstr("accepted"));
  std::string pre = bytes;
  pre.replace(pre.find("qwen2"), 5, "qwen9");
  EXPECT_THAT(text_error(pre, "tokenizer.json"),
              HasSubstr("key 'tokenizer.ggml.pre' should be one of qwen2, exaone"));
  const std::string kind = "gpt2";
  std::string spm = bytes;
  spm.replace(spm.find(kind), 4, "wpm2");
  EXPECT_THAT(text_error(spm, "tokenizer.json"), HasSubstr("byte-level BPE"));
  EXPECT_THAT(text_error(with_u32(bytes, "tokenizer.ggml.bos_token_id", 256),
                         "tokenizer_config.json"),
              HasSubstr("from 0 to 255"));
}

TEST(GgufModel, ArchitecturesAreRefusedByName) {
  const auto model =
      GgufModel::parse(Writer().header(0, 1).text_entry("general.architecture", "llama").bytes,
                       "m.gguf");
  ASSERT_FALSE(model.ok());
  EXPECT_THAT(model.error().text(), HasSubstr("'llama' is not supported"));
  EXPECT_THAT(model.error().text(), HasSubstr("granitehybrid"));
  Writer split;
  split.header(0, 2).text_entry("general.architecture", "qwen3");
  split.string("split.count").number<uint32_t>(2).number<uint16_t>(3);
  const auto part = GgufModel::parse(split.bytes, "m.gguf");
  ASSERT_FALSE(part.ok());
  EXPECT_THAT(part.error().message, HasSubstr("one of 3 parts"));
}

// The token list must be as long as the embedding: one row more or fewer in the tensor table.
TEST(GgufModel, VocabularyMustFitTheEmbedding) {
  const std::string bytes = golden("qwen3-yarn");
  for (const uint64_t rows : {255, 250}) {
    std::string changed = bytes;
    const size_t at = changed.find("token_embd.weight");
    ASSERT_NE(at, changed.npos);
    std::memcpy(changed.data() + at + 17 + 4 + 8, &rows, 8);
    EXPECT_THAT(text_error(changed, "tokenizer.json"),
                HasSubstr("as many as tensor 'token_embd.weight' has rows"));
  }
}

// Query and key rows of Granite files are interleaved inside each head.
TEST(GgufModel, PermutedRowsComeBackInTheOrderOfTheCheckpoint) {
  StoredTensor tensor;
  tensor.name = "q";
  tensor.shape = {8, 2};
  const std::string bytes = "a0a4a1a5b0b4b1b5";  // two heads of 4: rows 0 2 1 3 as in the file
  tensor.bytes = bytes;
  tensor.interleaved_head = 4;
  std::string order;
  for (int64_t row = 0; row < 8; ++row) order += std::string(tensor.row(row), 2);
  EXPECT_EQ(order, "a0a1a4a5b0b1b4b5");
}

TEST(GgufModel, GateAndUpAreOneTensorForGranite) {
  const std::string bytes = golden("granitemoe");
  const auto model = GgufModel::parse(bytes, "m.gguf");
  ASSERT_TRUE(model.ok());
  const GgufTensors tensors = model->tensors().value();
  const auto find = [&](std::string_view name) -> const StoredTensor& {
    for (const StoredTensor& tensor : tensors.tensors) {
      if (tensor.name == name) return tensor;
    }
    ADD_FAILURE() << name;
    return tensors.tensors[0];
  };
  const StoredTensor& shared = find("model.layers.0.shared_mlp.input_linear.weight");
  EXPECT_EQ(shared.shape, (std::vector<int64_t>{80, 48}));
  const StoredTensor& experts = find("model.layers.0.block_sparse_moe.input_linear.weight");
  EXPECT_EQ(experts.shape, (std::vector<int64_t>{6, 64, 48}));
  const StoredTensor* gate = GgufMetadata(*model).tensor("blk.0.ffn_gate_exps.weight");
  const StoredTensor* up = GgufMetadata(*model).tensor("blk.0.ffn_up_exps.weight");
  EXPECT_EQ(experts.row(2 * 64 + 5), gate->row(2 * 32 + 5));
  EXPECT_EQ(experts.row(2 * 64 + 32 + 5), up->row(2 * 32 + 5));
}

TEST(GgufModel, GateAndUpAreMatrices) {
  std::string bytes = golden("granitemoe");
  for (const std::string_view name : {"blk.1.ffn_gate_shexp.weight", "blk.1.ffn_up_shexp.weight"}) {
    const size_t at = bytes.find(name) + name.size();
    ASSERT_LT(at, bytes.size());
    bytes[at] = 1;  // dimension left of two
    bytes.erase(at + 4, 8);
  }
  const size_t grown = bytes.find("general.name") + 12 + 4;  // the data stays where it was
  ASSERT_LT(grown, bytes.size());
  bytes[grown] = static_cast<char>(bytes[grown] + 16);
  bytes.insert(grown + 8, 16, 'x');
  const auto model = GgufModel::parse(bytes, "m.gguf");
  ASSERT_TRUE(model.ok()) << model.error().text();
  const auto tensors = model->tensors();
  ASSERT_FALSE(tensors.ok());
  EXPECT_THAT(tensors.error().text(), HasSubstr("_shexp.weight' should be a matrix"));
}

// NaN in a scale or a plain number is refused when the weights are packed, with the tensor's name.
TEST(GgufModel, ScalesThatAreNotFiniteAreRefused) {
  ThreadPool pool(1);
  Config config;
  const auto error_of = [&](uint32_t type, uint16_t half) {
    Writer w;
    w.header(1, 0).tensor("w", {32, 16}, type, 0);
    const size_t row = type == 1 ? 64 : 18;
    w.data(16 * row);
    std::memcpy(w.bytes.data() + w.bytes.size() - row, &half, 2);
    const GgufFile file = parse_gguf(w.bytes, "m").value();
    const Checkpoint checkpoint = Checkpoint::of(file.tensors);
    WeightBinder binder(checkpoint, config, Precision::kNative, pool);
    const auto matrix = binder.matrix("w", 16, 32);
    return matrix.ok() ? "accepted" : matrix.error().message;
  };
  for (const uint32_t type : {1u, 2u}) {
    EXPECT_EQ(error_of(type, 0x3c00), "accepted");
    for (const uint16_t bad : {0x7c00, 0xfc00, 0x7e01}) {
      EXPECT_THAT(error_of(type, bad), HasSubstr("tensor 'w' holds NaN or infinity in row 15"));
    }
  }
}

}  // namespace
}  // namespace weft::model
