// SPDX-License-Identifier: Apache-2.0
//
// A loaded model: configuration, packed weights, tokenizer, chat template, identity. Loaded once,
// then given to one engine, whose thread alone calls the family's forward pass. Everything else is
// immutable and may be read by every thread.
//
// It does not render templates (chat does) nor hold a cache (the engine does).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "family/family.h"
#include "model/config.h"
#include "model/files.h"
#include "model/weights.h"
#include "text/tokenizer.h"

namespace weft::runtime {

struct LoadOptions {
  model::Precision precision = model::Precision::kNative;
  // Of the KV cache; nothing: f32 with float32 weights, else f16.
  std::optional<tensor::KvType> kv = {};
  tensor::Numerics numerics = tensor::Numerics::kPortable;
  int threads = 0;  // for packing; 0 = all usable cores
  // Where packed weights are kept for the next start (model/packed_cache.h); empty = nowhere.
  std::string cache_directory = {};
};

struct ModelInstance {
  std::string name;  // the directory, or "weft-mini (embedded)"
  model::Config config;
  model::Precision precision = model::Precision::kNative;
  tensor::KvType kv = tensor::KvType::kF32;
  tensor::Numerics numerics = tensor::Numerics::kPortable;  // of every forward pass
  std::unique_ptr<family::Family> family;
  std::string weights_hash;  // SHA-256 of the weights' files, hex
  size_t weights_bytes = 0;  // of the files
  // Absent without tokenizer.json: token ids still go in and out.
  std::optional<text::Tokenizer> tokenizer;
  std::string tokenizer_config;  // text of tokenizer_config.json, or empty
  std::string chat_template;     // Jinja; chat_template.jinja, else tokenizer_config's

  // What the outputs depend on besides the request: "weft-portable-q8-kvf16-3f2a9c01d2e4"
  // (numerics, weights, cache, hash).
  std::string fingerprint() const;
  // The shape of a cache for this model, its type included.
  family::KvBlocks kv_shape() const;

  // E0210 to E0214 as the loaders, errors of the tokenizer's.
  static Result<std::shared_ptr<ModelInstance>> load(model::ModelFiles files,
                                                     const LoadOptions& options = {});
};

// What a model would need, worked out from the headers of its files.
struct MemoryNeeded {
  uint64_t weight_bytes = 0;    // packed
  uint64_t sequence_bytes = 0;  // of a cache for one sequence as long as the context
};
Result<MemoryNeeded> memory_needed(model::ModelFiles& files, const LoadOptions& options);

// The embedded model's files. E0213 if the program was built without one.
Result<model::ModelFiles> embedded_model_files();

// Without a configuration "default", "fast" and "deep" mean the embedded model, as "embedded" does.
bool means_embedded_model(std::string_view name);

// The files of a model by one of these names, or by its directory. E0710 for anything else.
Result<model::ModelFiles> model_files_named(const std::string& name);

}  // namespace weft::runtime
