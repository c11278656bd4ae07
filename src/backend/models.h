// SPDX-License-Identifier: Apache-2.0
//
// The models of this process by name. A name is one of the catalogue, a directory in Hugging Face
// layout, or "embedded". A model is loaded when it is first asked for and then shared by everybody;
// names that mean the same directory share one engine.
//
// Under a memory budget a model is refused before it is loaded if it cannot fit, and makes those
// leave that nobody uses, the one asked for longest ago first. What is in use never leaves.
//
// It does not decide which model answers (the router will).
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.h"
#include "chat/dialect.h"
#include "chat/prompt.h"
#include "grammar/grammars.h"
#include "runtime/engine.h"
#include "runtime/model_instance.h"

namespace weft::backend {

struct ModelsOptions {
  // Name to source: a directory, or "" for the embedded model. default, fast and deep always exist
  // and mean the embedded model unless they stand here.
  std::map<std::string, std::string> names;
  std::vector<std::string> other_names = {};  // that somebody else answers for: for hints
  // By name, most bytes of weights and cache; one that needs more is not loaded.
  std::map<std::string, uint64_t> limits = {};
  runtime::LoadOptions load;
  runtime::EngineOptions engine;
  // For weights and caches of all models together; 0: what the machine has.
  uint64_t memory_bytes_max = 0;
};

// A model ready to chat. Immutable but for engine and grammars, which are safe from every thread.
struct LoadedModel {
  std::shared_ptr<runtime::ModelInstance> instance;
  std::unique_ptr<runtime::Engine> engine;
  std::optional<chat::ChatTemplate> chat_template;  // absent: the checkpoint has none
  std::optional<chat::Dialect> dialect;             // absent with it, or of no known family
  std::string template_hash;                        // sha256 of its text, or empty
  std::unique_ptr<grammar::Grammars> grammars;      // absent with it
  // It was trained on system texts that say the form in words: a schema behind them would lead it
  // away from what it knows; so would one behind a list of tools. Without either it gets the schema
  // as any model does.
  bool one_task = false;
  uint64_t memory_bytes = 0;  // weights as packed, and the most that its cache may take
  int64_t asked_for = 0;      // when last, by count of get(); Models' own
};

class Models {
 public:
  explicit Models(ModelsOptions options = {}) : options_(std::move(options)) {}

  // Loads on first use, which takes as long as reading and packing the weights; later calls answer
  // at once, also while another model is being loaded. From any thread. E0710 for a name that is
  // neither known nor a directory; E0714: no room for it in the memory budget now; E0716: it is
  // larger than the budget, or than its own limit. What is held by somebody counts as used: let go
  // soon.
  Result<std::shared_ptr<LoadedModel>> get(const std::string& name);
  // Would get() answer at once?
  bool is_loaded(const std::string& name) const { return if_loaded(name) != nullptr; }
  // The model, or null: nothing is loaded, and it counts as asked for no later than before.
  std::shared_ptr<LoadedModel> if_loaded(const std::string& name) const;
  // False: it was not loaded. E0715 while it is used.
  Result<bool> unload(const std::string& name);
  uint64_t memory_bytes() const;  // of those loaded

  // Every name that get() knows, with what it means: ("default", "weft-mini (embedded)").
  std::vector<std::pair<std::string, std::string>> names() const;
  // Those loaded so far. Never waits for a load.
  std::vector<std::shared_ptr<LoadedModel>> loaded() const;

 private:
  Result<std::string> source_of(const std::string& name) const;
  std::shared_ptr<LoadedModel> find(const std::string& source);
  Status check_limit(const std::string& name, const std::string& source, uint64_t needed) const;
  Status make_room(const std::string& name, uint64_t needed);
  bool unload_source(const std::string& source);

  ModelsOptions options_;
  std::mutex mutex_;  // held while loading: two first users wait for one load
  mutable std::mutex loaded_mutex_;  // held for moments only
  std::map<std::string, std::shared_ptr<LoadedModel>> loaded_;  // by source; guarded by both
  int64_t gets_ = 0;  // guarded by loaded_mutex_
};

}  // namespace weft::backend
