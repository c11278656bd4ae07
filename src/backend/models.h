// SPDX-License-Identifier: Apache-2.0
//
// The models of this process by name. A name is one of the catalogue, a directory in Hugging Face
// layout, or "embedded". A model is loaded when it is first asked for and then shared by everybody;
// names that mean the same directory share one engine.
//
// It does not decide which model answers (the router will) nor unload any yet.
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
  runtime::LoadOptions load;
  runtime::EngineOptions engine;
};

// A model ready to chat. Immutable but for engine and grammars, which are safe from every thread.
struct LoadedModel {
  std::shared_ptr<runtime::ModelInstance> instance;
  std::unique_ptr<runtime::Engine> engine;
  std::optional<chat::ChatTemplate> chat_template;  // absent: the checkpoint has none
  std::optional<chat::Dialect> dialect;             // absent with it
  std::string template_hash;                        // sha256 of its text, or empty
  std::unique_ptr<grammar::Grammars> grammars;      // absent with it
  // It was trained on system texts that say the form in words: a schema behind them would lead it
  // away from what it knows. Without a system text it gets the schema as any model does.
  bool one_task = false;
};

class Models {
 public:
  explicit Models(ModelsOptions options = {}) : options_(std::move(options)) {}

  // Loads on first use, which takes as long as reading and packing the weights; later calls answer
  // at once. From any thread. E0710 for a name that is neither known nor a directory.
  Result<std::shared_ptr<LoadedModel>> get(const std::string& name);

  // Every name that get() knows, with what it means: ("default", "weft-mini (embedded)").
  std::vector<std::pair<std::string, std::string>> names() const;
  // Those loaded so far. Never waits for a load.
  std::vector<std::shared_ptr<LoadedModel>> loaded() const;

 private:
  Result<std::string> source_of(const std::string& name) const;

  ModelsOptions options_;
  std::mutex mutex_;  // held while loading: two first users wait for one load
  mutable std::mutex loaded_mutex_;  // held for moments only
  std::map<std::string, std::shared_ptr<LoadedModel>> loaded_;  // by source; guarded by both
};

}  // namespace weft::backend
