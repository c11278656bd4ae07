// SPDX-License-Identifier: Apache-2.0
#include "backend/models.h"

#include <filesystem>

#include "base/digest.h"

namespace weft::backend {
namespace {

Result<std::shared_ptr<LoadedModel>> load(const std::string& source, const ModelsOptions& options) {
  auto out = std::make_shared<LoadedModel>();
  out->one_task = source.empty();  // weft-mini
  model::ModelFiles files = source.empty() ? TRY(runtime::embedded_model_files())
                                           : TRY(runtime::model_files_named(source));
  out->instance = TRY(runtime::ModelInstance::load(std::move(files), options.load));
  if (!out->instance->chat_template.empty() && out->instance->tokenizer.has_value()) {
    out->chat_template = TRY(chat::ChatTemplate::from_config(out->instance->tokenizer_config,
                                                             out->instance->chat_template));
    out->dialect = TRY(chat::Dialect::recognise(*out->instance->tokenizer));
    out->template_hash = sha256_hex(out->instance->chat_template);
  }
  out->engine = TRY(runtime::Engine::create(out->instance, options.engine));
  return out;
}

}  // namespace

Result<std::string> Models::source_of(const std::string& name) const {
  if (const auto known = options_.names.find(name); known != options_.names.end()) {
    return known->second;
  }
  if (runtime::means_embedded_model(name)) return std::string();
  // Refuses here what no load could find; the same directory under two spellings is one model.
  TRY(runtime::model_files_named(name));
  return std::filesystem::weakly_canonical(name).string();
}

Result<std::shared_ptr<LoadedModel>> Models::get(const std::string& name) {
  const std::string source = TRY(source_of(name));
  const std::lock_guard lock(mutex_);
  if (const auto found = loaded_.find(source); found != loaded_.end()) return found->second;
  auto model = load(source, options_);
  if (!model.ok()) return std::move(model).error();
  loaded_[source] = *model;
  return *model;
}

std::vector<std::pair<std::string, std::string>> Models::names() const {
  std::map<std::string, std::string> all = {{"default", ""}, {"fast", ""}, {"deep", ""}};
  for (const auto& [name, source] : options_.names) all[name] = source;
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [name, source] : all) {
    out.emplace_back(name, source.empty() ? "weft-mini (embedded)" : source);
  }
  return out;
}

}  // namespace weft::backend
