// SPDX-License-Identifier: Apache-2.0
#include "runtime/model_instance.h"

#include <fmt/format.h>

#include <filesystem>
#include <future>

#include "base/json.h"
#include "base/memory.h"
#include "base/strings.h"
#include "base/threads.h"
#include "model/embedded.h"
#include "model/footprint.h"
#include "model/packed_cache.h"
#include "model/checkpoint.h"
#include "obs/log.h"

namespace weft::runtime {
namespace {

// tokenizer_config.json's chat_template: a text, or a list of named ones of which "default" counts.
std::string template_of(const std::string& tokenizer_config) {
  const auto parsed = json::parse(tokenizer_config);
  if (!parsed.ok() || !parsed.value().is_object()) return {};
  const json::Value* value = parsed.value().get_object().if_contains("chat_template");
  if (value == nullptr) return {};
  if (value->is_string()) return std::string(value->get_string());
  if (!value->is_array()) return {};
  for (const json::Value& item : value->get_array()) {
    if (!item.is_object()) continue;
    const json::Value* name = item.get_object().if_contains("name");
    const json::Value* text = item.get_object().if_contains("template");
    if (name != nullptr && text != nullptr && *name == "default" && text->is_string()) {
      return std::string(text->get_string());
    }
  }
  return {};
}

Status load_text(model::ModelFiles& files, ModelInstance& out) {
  if (files.has("tokenizer.json")) {
    const std::string_view text = TRY(files.read("tokenizer.json"));
    out.tokenizer = TRY(text::Tokenizer::parse(text));
  }
  if (files.has("tokenizer_config.json")) {
    out.tokenizer_config = std::string(TRY(files.read("tokenizer_config.json")));
    out.chat_template = template_of(out.tokenizer_config);
  }
  if (files.has("chat_template.jinja")) {
    out.chat_template = std::string(TRY(files.read("chat_template.jinja")));
  }
  return ok_status();
}

Status load_weights(const model::Checkpoint& checkpoint, const LoadOptions& options,
                    ModelInstance& out) {
  std::optional<model::PackedCache> cache;
  const std::string identity = options.cache_directory.empty() ? "" : checkpoint.identity();
  if (!identity.empty()) {
    cache.emplace(options.cache_directory, identity, name_of(options.precision));
  }
  ThreadPool pool(options.threads > 0 ? options.threads : usable_cores());
  if (cache && cache->filled()) {
    out.family = TRY(family::make_family(out.config, checkpoint, options.precision, pool,
                                         &*cache));
    out.weights_hash = cache->weights_hash();
    if (!cache->broken()) return ok_status();
    obs::log(obs::Level::kWarning, "model", "{} is damaged and made again", cache->path());
    cache->remove();
    cache.emplace(options.cache_directory, identity, name_of(options.precision));
    out.family.reset();
  }
  // Hashing reads every byte, as packing does: one of them finds the pages warm.
  auto hash = std::async(std::launch::async, [&] { return checkpoint.sha256(); });
  out.family = TRY(family::make_family(out.config, checkpoint, options.precision, pool,
                                       cache ? &*cache : nullptr));
  out.weights_hash = hash.get();
  if (cache) cache->finish(out.weights_hash);
  return ok_status();
}

}  // namespace

std::string ModelInstance::fingerprint() const {
  return fmt::format("weft-{}-{}-kv{}-{}", name_of(numerics), name_of(precision), name_of(kv),
                     weights_hash.substr(0, 12));
}

family::KvBlocks ModelInstance::kv_shape() const {
  family::KvBlocks out = family->kv_shape();
  out.layout.type = kv;
  return out;
}

Result<std::shared_ptr<ModelInstance>> ModelInstance::load(model::ModelFiles files,
                                                           const LoadOptions& options) {
  auto out = std::make_shared<ModelInstance>();
  out->name = files.where();
  out->precision = options.precision;
  out->kv = options.kv.value_or(model::default_kv_type(options.precision));
  out->numerics = options.numerics;
  out->config = TRY(model::load_config(files));
  const model::Checkpoint checkpoint = TRY(model::Checkpoint::open(files));
  TRY(model::check_fits(out->config, checkpoint, options.precision, available_memory(),
                        files.where()));
  // A vocabulary takes as long to index as packed weights to read: both at once, since they touch
  // nothing in common.
  auto text = std::async(std::launch::async, [&] { return load_text(files, *out); });
  const Status weights = load_weights(checkpoint, options, *out);
  TRY(text.get());
  TRY(weights);
  // Fewer tokens than rows are common (padding); an id without a row would be read past the table.
  if (out->tokenizer && out->tokenizer->size() > static_cast<size_t>(out->config.vocab_size)) {
    return make_error("E0212", fmt::format("{}: the tokenizer has {} tokens, the embedding {} rows",
                                           files.where(), out->tokenizer->size(),
                                           out->config.vocab_size),
                      "use the tokenizer and the weights of one and the same checkpoint");
  }
  out->weights_bytes = checkpoint.bytes();
  return out;
}

Result<MemoryNeeded> memory_needed(model::ModelFiles& files, const LoadOptions& options) {
  const model::Config config = TRY(model::load_config(files));
  const model::Checkpoint checkpoint = TRY(model::Checkpoint::open(files));
  const model::Footprint cost = model::footprint(config, checkpoint, options.precision);
  const auto context = static_cast<uint64_t>(config.context);
  return MemoryNeeded{cost.weight_bytes, context * cost.kv_token_bytes + cost.state_bytes};
}

Result<model::ModelFiles> embedded_model_files() {
  const auto& files = model::embedded_weft_mini();
  if (files.empty()) {
    return make_error("E0213", "this program was built without an embedded model",
                      "give --model a directory in Hugging Face layout");
  }
  return model::ModelFiles(files, "weft-mini (embedded)");
}

bool means_embedded_model(std::string_view name) {
  return name == "default" || name == "fast" || name == "deep" || name == "embedded";
}

Result<model::ModelFiles> model_files_named(const std::string& name) {
  if (means_embedded_model(name)) return embedded_model_files();
  std::error_code ignored;
  if (std::filesystem::exists(name, ignored)) return model::ModelFiles::open(name);
  const std::vector<std::string> known = {"default", "fast", "deep", "embedded"};
  return make_error(
      "E0710", fmt::format("there is no model {}", quoted(name)),
      name.find('/') != std::string::npos
          ? std::string("nothing is there")
          : name_hint(name, known) + ", or a directory with config.json, or a .gguf file");
}

}  // namespace weft::runtime
