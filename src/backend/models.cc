// SPDX-License-Identifier: Apache-2.0
#include "backend/models.h"

#include <filesystem>

#include "base/digest.h"

namespace weft::backend {
namespace {

// What a turn may force has to have a row in the model.
Status check_rows(const chat::Dialect& dialect, size_t rows, const std::string& name) {
  std::vector<text::TokenId> all = dialect.close_text;
  all.insert(all.end(), dialect.after_close.begin(), dialect.after_close.end());
  for (const auto& marker : {dialect.think_open, dialect.think_close, dialect.call_open,
                             dialect.call_close, dialect.newline}) {
    if (marker) all.push_back(*marker);
  }
  for (const text::TokenId id : all) {
    if (static_cast<size_t>(id) < rows) continue;
    return make_error("E0742", fmt::format("model {} has {} rows, but its tokenizer's markers need "
                                           "token {}", name, rows, id),
                      "tokenizer.json and config.json belong to different checkpoints");
  }
  return ok_status();
}

Result<std::shared_ptr<LoadedModel>> load(const std::string& source, const ModelsOptions& options) {
  auto out = std::make_shared<LoadedModel>();
  out->one_task = source.empty();  // weft-mini
  model::ModelFiles files = source.empty() ? TRY(runtime::embedded_model_files())
                                           : TRY(runtime::model_files_named(source));
  out->instance = TRY(runtime::ModelInstance::load(std::move(files), options.load));
  if (!out->instance->chat_template.empty() && out->instance->tokenizer.has_value()) {
    out->chat_template = TRY(chat::ChatTemplate::from_config(out->instance->tokenizer_config,
                                                             out->instance->chat_template));
    out->dialect = TRY(chat::Dialect::recognise(*out->instance->tokenizer,
                                                out->chat_template->source()));
    const auto rows = static_cast<size_t>(out->instance->config.vocab_size);
    TRY(check_rows(*out->dialect, rows, out->instance->name));
    out->grammars = std::make_unique<grammar::Grammars>(*out->instance->tokenizer, rows);
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
  const std::lock_guard quick(loaded_mutex_);
  loaded_[source] = *model;
  return *model;
}

std::vector<std::shared_ptr<LoadedModel>> Models::loaded() const {
  const std::lock_guard quick(loaded_mutex_);
  std::vector<std::shared_ptr<LoadedModel>> out;
  for (const auto& [source, model] : loaded_) out.push_back(model);
  return out;
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
