// SPDX-License-Identifier: Apache-2.0
#include "model/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "model/checkpoint.h"

namespace weft::model {
namespace {

std::string file_of(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string out(sizeof(length), '\0');
  std::memcpy(out.data(), &length, sizeof(length));
  return out + header + std::string(data_bytes, 'x');
}

std::string message_of(const std::string& file) {
  auto result = parse_safetensors(file, "f");
  if (result.ok()) return "no error";
  EXPECT_EQ(result.error().code, "E0210");
  return result.error().message;
}

TEST(Safetensors, ReadsTensorsInOrderOfTheirData) {
  const auto tensors = parse_safetensors(
      file_of(R"({"__metadata__":{"format":"pt"},
          "b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},
          "a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},
          "none":{"dtype":"I8","shape":[0,7],"data_offsets":[16,16]},
          "one":{"dtype":"I8","shape":[],"data_offsets":[16,17]}})", 17), "f");
  ASSERT_TRUE(tensors.ok()) << tensors.error().text();
  const auto& all = tensors.value();
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].name, "a");
  EXPECT_EQ(all[0].dtype, DType::kBF16);
  EXPECT_EQ(all[0].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(all[0].bytes.size(), 12u);
  EXPECT_EQ(all[1].name, "b");
  EXPECT_EQ(shape_text(all[0].shape), "(2, 3)");
}

TEST(Safetensors, RefusesEveryLieOfTheHeader) {
  const auto entry = [](const std::string& fields) { return "{\"a\":{" + fields + "}}"; };
  std::string huge = file_of("{}", 0);
  const uint64_t lie = uint64_t{1} << 60;
  std::memcpy(huge.data(), &lie, sizeof(lie));
  EXPECT_NE(message_of(huge).find("claims 1152921504606846976 bytes"), std::string::npos);
  EXPECT_NE(message_of("short").find("has 5 bytes"), std::string::npos);
  EXPECT_NE(message_of(file_of("[]", 0)).find("JSON object"), std::string::npos);
  EXPECT_NE(message_of(file_of("{", 0)).find("ends too early"), std::string::npos);
  const struct {
    std::string header;
    const char* expected;
  } cases[] = {
      {entry(R"("dtype":"F32","shape":[2],"data_offsets":[0,16])"), "ends at byte 16"},
      {entry(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"), "needs 12 bytes"},
      {entry(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"), "begin <= end"},
      {entry(R"("dtype":"F32","shape":[2],"data_offsets":[0])"), "begin <= end"},
      {entry(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), "integers from 0"},
      {entry(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])"), "integers from 0"},
      {entry(R"("dtype":"F32","shape":"2","data_offsets":[0,8])"), "array of integers"},
      {entry(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8])"), "9 dimensions"},
      {entry(R"("dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8])"),
       "more than 2^63"},
      {entry(R"("dtype":"NEW","shape":[4611686018427387904,4],"data_offsets":[0,8])"),
       "overflows"},
      {entry(R"("dtype":7,"shape":[2],"data_offsets":[0,8])"), "'dtype' should be"},
      {entry(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), "4 bytes follow"},
      {entry(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), "follows a gap"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
           "b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", "overlaps"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
           "a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "twice"},
      {R"({"a":7})", "should be an object"},
      {"{\"a\":" + std::string(10000, '[') + std::string(10000, ']') + "}", "nested deeper"},
  };
  for (const auto& c : cases) {
    EXPECT_NE(message_of(file_of(c.header, 8)).find(c.expected), std::string::npos)
        << c.header.substr(0, 200) << "\n" << message_of(file_of(c.header, 8));
  }
}

class CheckpointTest : public ::testing::Test {
 protected:
  CheckpointTest() : dir_(testing::TempDir() + "weft_checkpoint_test") {
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directories(dir_);
  }
  ~CheckpointTest() override { std::filesystem::remove_all(dir_); }
  void write(const std::string& name, const std::string& bytes) {
    ASSERT_TRUE(write_file_atomic(dir_ + "/" + name, bytes).ok());
  }
  std::string dir_;
  const std::string a_ = file_of(R"({"a":{"dtype":"I8","shape":[3],"data_offsets":[0,3]}})", 3);
  const std::string b_ = file_of(R"({"b":{"dtype":"I8","shape":[4],"data_offsets":[0,4]}})", 4);
};

TEST_F(CheckpointTest, ReadsShards) {
  write("1.safetensors", a_);
  write("2.safetensors", b_);
  write("model.safetensors.index.json",
        R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})");
  ModelFiles files(dir_);
  auto checkpoint = Checkpoint::open(files);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().text();
  ASSERT_NE(checkpoint->find("b"), nullptr);
  EXPECT_EQ(checkpoint->find("b")->bytes.size(), 4u);
  EXPECT_EQ(checkpoint->find("c"), nullptr);
  EXPECT_EQ(checkpoint->bytes(), a_.size() + b_.size());
  EXPECT_EQ(checkpoint->sha256().size(), 64u);
}

// A packed copy is kept under it: of these bytes, not of those that took their place meanwhile.
TEST_F(CheckpointTest, IsTheFileThatWasOpened) {
  write("model.safetensors", a_);
  ModelFiles files(dir_);
  const auto checkpoint = Checkpoint::open(files);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().text();
  const std::string was = checkpoint->identity();
  EXPECT_NE(was.find("model.safetensors\t"), std::string::npos) << was;
  write("model.safetensors", b_);
  EXPECT_EQ(checkpoint->identity(), was);
  ModelFiles now(dir_);
  EXPECT_NE(Checkpoint::open(now)->identity(), was);
  EXPECT_EQ(Checkpoint::of({}).identity(), "");
}

TEST_F(CheckpointTest, RefusesIndexesThatDoNotFit) {
  const auto opened = [&] {
    ModelFiles files(dir_);
    return Checkpoint::open(files).error();
  };
  EXPECT_EQ(opened().code, "E0213");
  write("1.safetensors", a_);
  const auto with_index = [&](const std::string& index) {
    write("model.safetensors.index.json", index);
    return opened();
  };
  EXPECT_EQ(with_index("[]").code, "E0210");
  EXPECT_EQ(with_index(R"({"weight_map":{"a":1}})").code, "E0210");
  EXPECT_NE(with_index(R"({"weight_map":{"a":"../1.safetensors"}})").message.find("directory"),
            std::string::npos);
  EXPECT_NE(with_index(R"({"weight_map":{"z":"1.safetensors"}})").message.find("promises"),
            std::string::npos);
  EXPECT_EQ(with_index(R"({"weight_map":{"a":"none.safetensors"}})").code, "E0213");
  write("2.safetensors", a_);
  EXPECT_NE(with_index(R"({"weight_map":{"a":"1.safetensors","x":"2.safetensors"}})").message
                .find("promises"), std::string::npos);
  const std::string both = file_of(R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},
                                       "x":{"dtype":"I8","shape":[1],"data_offsets":[1,2]}})", 2);
  write("2.safetensors", both);
  EXPECT_NE(with_index(R"({"weight_map":{"a":"1.safetensors","x":"2.safetensors"}})").message
                .find("stands there twice"), std::string::npos);
}

TEST(ModelFiles, EmbeddedFilesNeedNoDisk) {
  ModelFiles files({{"config.json", "{}"}}, "mini");
  EXPECT_TRUE(files.has("config.json"));
  EXPECT_EQ(files.read("config.json").value(), "{}");
  EXPECT_NE(files.read("x").error().message.find("no x is there"), std::string::npos);
}

}  // namespace
}  // namespace weft::model
