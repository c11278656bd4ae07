// SPDX-License-Identifier: Apache-2.0
#include "backend/models.h"

#include <filesystem>

#include "base/digest.h"
#include "base/env.h"
#include "base/memory.h"
#include "base/strings.h"
#include "obs/log.h"

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

// Worked out from the headers of the files; nothing is loaded.
Result<uint64_t> memory_needed(const std::string& source, const ModelsOptions& options) {
  model::ModelFiles files = source.empty() ? TRY(runtime::embedded_model_files())
                                           : TRY(runtime::model_files_named(source));
  const runtime::MemoryNeeded cost = TRY(runtime::memory_needed(files, options.load));
  const uint64_t full = cost.sequence_bytes * static_cast<uint64_t>(options.engine.sequences_max);
  return cost.weight_bytes + std::min<uint64_t>(options.engine.kv_bytes_max, full);
}

// Nobody holds it, nobody waits for an answer of it, nothing is computed beside its answers.
bool idle(const std::shared_ptr<LoadedModel>& model) {
  constexpr int64_t kOwners = 2;  // of the instance: the model and its engine
  return model.use_count() == 1 && model->engine->outstanding() == 0 &&
         model->instance.use_count() <= kOwners;
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
    // Who only embeds or continues text needs no dialect: a chat is told why it has none.
    auto dialect = chat::Dialect::recognise(*out->instance->tokenizer,
                                            out->chat_template->source());
    const auto rows = static_cast<size_t>(out->instance->config.vocab_size);
    if (dialect.ok()) {
      TRY(check_rows(*dialect, rows, out->instance->name));
      out->dialect = *std::move(dialect);
    }
    out->grammars = std::make_unique<grammar::Grammars>(*out->instance->tokenizer, rows);
    out->template_hash = sha256_hex(out->instance->chat_template);
  }
  out->engine = TRY(runtime::Engine::create(out->instance, options.engine));
  obs::log(obs::Level::kInfo, "model", "{} is loaded: {}", out->instance->name,
           out->instance->fingerprint());
  return out;
}

}  // namespace

Result<std::string> Models::source_of(const std::string& name) const {
  if (const auto known = options_.names.find(name); known != options_.names.end()) {
    return known->second;
  }
  if (runtime::means_embedded_model(name)) return std::string();
  // Refuses here what no load could find; the same directory under two spellings is one model.
  if (const auto found = runtime::model_files_named(name); !found.ok()) {
    Error error = found.error();
    if (error.code != "E0710" || name.find('/') != std::string::npos) return error;
    std::vector<std::string> known = options_.other_names;
    for (const auto& [one, source] : names()) known.push_back(one);
    known.emplace_back("embedded");
    error.hint = name_hint(name, known) + ", or a directory with config.json, or a .gguf file";
    return error;
  }
  return std::filesystem::weakly_canonical(name).string();
}

std::shared_ptr<LoadedModel> Models::find(const std::string& source) {
  const std::lock_guard quick(loaded_mutex_);
  const auto found = loaded_.find(source);
  if (found == loaded_.end()) return nullptr;
  found->second->asked_for = ++gets_;
  return found->second;
}

Result<std::shared_ptr<LoadedModel>> Models::get(const std::string& name) {
  const std::string source = TRY(source_of(name));
  if (auto known = find(source)) return known;
  const std::lock_guard lock(mutex_);
  if (auto known = find(source)) return known;
  const auto worked_out = memory_needed(source, options_);
  if (!options_.limits.empty()) TRY(check_limit(name, source, TRY(worked_out)));
  if (options_.memory_bytes_max > 0) TRY(make_room(name, TRY(worked_out)));
  const uint64_t needed = worked_out.ok() ? *worked_out : 0;  // what is wrong, loading tells
  auto model = load(source, options_);
  if (!model.ok()) return std::move(model).error();
  (*model)->memory_bytes = needed;
  {
    const std::lock_guard quick(loaded_mutex_);
    loaded_[source] = *model;
  }
  return find(source);
}

std::shared_ptr<LoadedModel> Models::if_loaded(const std::string& name) const {
  const auto source = source_of(name);
  if (!source.ok()) return nullptr;
  const std::lock_guard quick(loaded_mutex_);
  const auto found = loaded_.find(*source);
  return found == loaded_.end() ? nullptr : found->second;
}

uint64_t Models::memory_bytes() const {
  const std::lock_guard quick(loaded_mutex_);
  uint64_t sum = 0;
  for (const auto& [source, model] : loaded_) sum += model->memory_bytes;
  return sum;
}

// Under whichever of its names it is asked for.
Status Models::check_limit(const std::string& name, const std::string& source,
                           uint64_t needed) const {
  for (const auto& [limited, most] : options_.limits) {
    const auto known = options_.names.find(limited);
    if (known == options_.names.end() || known->second != source || needed <= most) continue;
    return make_error("E0716",
                      fmt::format("model {} needs {} for weights and cache; the limit of {} is {}",
                                  name, bytes_text(needed), limited, bytes_text(most)),
                      "raise its `memory` in the configuration, or lower the cache of each model "
                      "(memory.kv)");
  }
  return ok_status();
}

Status Models::make_room(const std::string& name, uint64_t needed) {
  constexpr int kTries = 50;  // facts and metrics hold a model for a moment
  const uint64_t most = options_.memory_bytes_max;
  for (int i = 0; memory_bytes() + needed > most; ++i) {
    std::vector<std::pair<int64_t, std::string>> oldest;
    {
      const std::lock_guard quick(loaded_mutex_);
      for (const auto& [source, model] : loaded_) oldest.emplace_back(model->asked_for, source);
    }
    std::ranges::sort(oldest);
    if (needed > most) {
      return make_error("E0716",
                        fmt::format("model {} needs {} for weights and cache, the budget for all "
                                    "models is {}", name, bytes_text(needed), bytes_text(most)),
                        "raise --model-memory (memory.models), lower --kv-memory (memory.kv), or "
                        "load it with fewer bits (--dtype q4)");
    }
    const bool left = std::ranges::any_of(oldest, [&](const auto& one) {
      return unload_source(one.second);
    });
    if (left) continue;
    if (oldest.empty() || i >= kTries) {
      return make_error("E0714",
                        fmt::format("model {} needs {} for weights and cache; the budget is {}, "
                                    "of which models in use hold {}", name, bytes_text(needed),
                                    bytes_text(most), bytes_text(memory_bytes())),
                        "try again when the other models have answered");
    }
    real_env().sleep_us(2000);
  }
  return ok_status();
}

bool Models::unload_source(const std::string& source) {
  std::shared_ptr<LoadedModel> gone;
  {
    const std::lock_guard quick(loaded_mutex_);
    const auto found = loaded_.find(source);
    if (found == loaded_.end() || !idle(found->second)) return false;
    gone = std::move(found->second);
    loaded_.erase(found);
  }
  obs::log(obs::Level::kInfo, "model", "{} is unloaded", gone->instance->name);
  return true;
}

Result<bool> Models::unload(const std::string& name) {
  const std::string source = TRY(source_of(name));
  if (find(source) == nullptr) return false;  // nor does it wait for one that is being loaded
  if (unload_source(source)) return true;
  return make_error("E0715", fmt::format("model {} is answering now", name),
                    "try again when its answers are done");
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
