// SPDX-License-Identifier: Apache-2.0
#include "model/gguf_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "base/strings.h"

namespace weft::model {
namespace {

constexpr std::string_view kArchitectures[] = {"qwen3",   "qwen3moe",   "exaone",       "exaone4",
                                               "granite", "granitemoe", "granitehybrid"};
constexpr std::string_view kFiles[] = {"config.json", "generation_config.json", "tokenizer.json",
                                       "tokenizer_config.json"};

std::string shown(const GgufValue& value) {
  if (value.is_array) return fmt::format("an array of {} {}", value.count, name_of(value.type));
  if (value.type == GgufType::kString) return quoted(value.strings[0]);
  return fmt::format("{} {}", name_of(value.type), json::number_text(value.number()));
}

}  // namespace

Result<GgufModel> GgufModel::open(const std::string& path) {
  auto mapped = std::make_shared<const MappedFile>(TRY(MappedFile::open(path)));
  GgufModel out = TRY(parse(mapped->bytes(), path));
  out.mapped_ = std::move(mapped);
  return out;
}

Result<GgufModel> GgufModel::parse(std::string_view bytes, std::string where) {
  GgufModel out;
  out.bytes_ = bytes;
  out.file_ = TRY(parse_gguf(bytes, where));
  out.where_ = std::move(where);
  const GgufMetadata metadata(out);
  static const int64_t kOne = 1;
  const int64_t parts = TRY(metadata.integer("split.count", 0, INT64_MAX, &kOne));
  if (parts > 1) {
    return make_error("E0220", fmt::format("{}: is one of {} parts of a model", out.where_, parts),
                      "join the parts first (llama-gguf-split --merge)");
  }
  out.architecture_ = TRY(metadata.string("general.architecture"));
  const auto* known = std::find(std::begin(kArchitectures), std::end(kArchitectures),
                                out.architecture_);
  if (known == std::end(kArchitectures)) {
    return make_error("E0220", fmt::format("{}: key 'general.architecture': {} is not supported",
                                           out.where_, quoted(out.architecture_)),
                      fmt::format("supported: {}", fmt::join(kArchitectures, ", ")));
  }
  return out;
}

bool GgufModel::has(std::string_view name) const {
  if (name == "tokenizer.json" || name == "tokenizer_config.json") {
    return file_.find("tokenizer.ggml.model") != nullptr;
  }
  return std::find(std::begin(kFiles), std::end(kFiles), name) != std::end(kFiles);
}

Result<std::string> GgufModel::text(std::string_view name) const {
  if (name == "config.json") return gguf_config_json(*this);
  if (name == "generation_config.json") return gguf_generation_json(*this);
  if (name == "tokenizer.json") return gguf_tokenizer_json(*this);
  CHECK(name == "tokenizer_config.json", "no text '{}'", name);
  return gguf_tokenizer_config_json(*this);
}

Result<GgufTensors> GgufModel::tensors() const { return gguf_tensors(*this); }

std::string GgufMetadata::own(std::string_view key) const {
  return fmt::format("{}.{}", model_.architecture(), key);
}

Error GgufMetadata::missing(const std::string& key) const {
  std::vector<std::string> keys;
  for (const GgufEntry& entry : model_.file().entries) keys.emplace_back(entry.key);
  const auto nearest = nearest_name(key, keys);
  return make_error("E0220", fmt::format("{}: key '{}' is missing", model_.where(), key),
                    nearest ? fmt::format("there is a key '{}'", *nearest)
                            : "convert the model again with a current converter");
}

Error GgufMetadata::wrong(const std::string& key, std::string_view expected,
                          std::string_view found) const {
  return make_error("E0220", fmt::format("{}: key '{}' should be {}, found {}", model_.where(),
                                         key, expected, found),
                    "convert the model again with a current converter");
}

Result<const GgufValue*> GgufMetadata::scalar(const std::string& key,
                                              std::string_view expected) const {
  const GgufValue* value = model_.file().find(key);
  if (value == nullptr) return missing(key);
  if (value->is_array) return wrong(key, expected, shown(*value));
  return value;
}

Result<int64_t> GgufMetadata::integer(const std::string& key, int64_t low, int64_t high,
                                      const int64_t* absent) const {
  if (absent != nullptr && !has(key)) return *absent;
  const std::string expected = fmt::format("an integer from {} to {}", low, high);
  const GgufValue& value = *TRY(scalar(key, expected));
  const auto found = value.is_integer() ? value.integer() : std::nullopt;
  if (!found || *found < low || *found > high) return wrong(key, expected, shown(value));
  return *found;
}

Result<double> GgufMetadata::number(const std::string& key, const double* absent) const {
  if (absent != nullptr && !has(key)) return *absent;
  const GgufValue& value = *TRY(scalar(key, "a number"));
  const bool number = value.type != GgufType::kString && value.type != GgufType::kBool;
  if (!number || !std::isfinite(value.number())) return wrong(key, "a number", shown(value));
  return value.number();
}

Result<std::string_view> GgufMetadata::string(const std::string& key) const {
  const GgufValue& value = *TRY(scalar(key, "a text"));
  if (value.type != GgufType::kString) return wrong(key, "a text", shown(value));
  if (invalid_utf8_at(value.strings[0])) return wrong(key, "UTF-8", shown(value));
  return value.strings[0];
}

Result<bool> GgufMetadata::boolean(const std::string& key, bool absent) const {
  if (!has(key)) return absent;
  const GgufValue& value = *TRY(scalar(key, "true or false"));
  if (value.type != GgufType::kBool) return wrong(key, "true or false", shown(value));
  return *value.integer() != 0;
}

Result<std::vector<int64_t>> GgufMetadata::by_layer(const std::string& key, size_t layers) const {
  const GgufValue* value = model_.file().find(key);
  if (value == nullptr) return missing(key);
  const std::string expected = fmt::format("an integer, or an array of {}", layers);
  const bool fits = value->is_integer() || value->type == GgufType::kBool;
  if (!fits || (value->is_array && value->count != layers)) {
    return wrong(key, expected, shown(*value));
  }
  std::vector<int64_t> out;
  for (size_t i = 0; i < layers; ++i) {
    const auto found = value->integer(value->is_array ? i : 0);
    if (!found) return wrong(key, expected, shown(*value));
    out.push_back(*found);
  }
  return out;
}

const StoredTensor* GgufMetadata::tensor(std::string_view name) const {
  for (const StoredTensor& tensor : model_.file().tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

}  // namespace weft::model
