// SPDX-License-Identifier: Apache-2.0
//
// The backend inside this process: renders the conversation through the model's own template, lets
// the model's engine generate under a turn automaton, and hands back text with its evidence.
//
// Loading, rendering and tokenising happen on one thread of its own, so that chat() never blocks;
// generation on the engine's. Same request, same result, whatever else runs.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "backend/backend.h"
#include "backend/models.h"

namespace weft::backend {

class LocalBackend final : public Backend {
 public:
  explicit LocalBackend(ModelsOptions options = {});
  // Calls not yet prepared end with an error; those in an engine complete as cancelled.
  ~LocalBackend() override;

  // Errors through on_done: E0710 unknown model, E0711 no chat template or tokenizer, E0712 a
  // parameter out of range, and those of loading, templates and the engine.
  std::shared_ptr<ChatCall> chat(ChatRequest request, ChatCallbacks callbacks) override;

  Models& models() { return models_; }

  // Runs `job` on the thread that loads models, renders and tokenises, after those before it: with
  // E0713 if the backend stops first. What needs a model and is no chat comes in here
  // (backend/direct.h).
  using Job = std::function<void(Status)>;
  void prepare(Job job);

 private:
  void prepare_calls();

  Models models_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> waiting_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace weft::backend
