// SPDX-License-Identifier: Apache-2.0
//
// The backend inside this process: renders the conversation through the model's own template, lets
// the model's engine generate under a turn automaton, and hands back text with its evidence.
//
// Loading, rendering and tokenising happen on threads of its own, so that chat() never blocks, and
// in lanes, so that what is quick does not wait for what may be slow:
//
//   free     plain chats and tokens of models that are loaded    milliseconds
//   held     chats whose form a grammar holds, two at a time     seconds, if it has to be compiled
//   loading  whatever needs a model that is not loaded           as long as loading takes
//
// Generation happens on the engine's. Same request, same result, whatever else runs.
#pragma once

#include <array>
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

  // Runs `job`, which needs the model of that name, on a thread that loads models, renders and
  // tokenises, after those before it: with E0713 if the backend stops first. What needs a model and
  // is no chat comes in here (backend/direct.h).
  using Job = std::function<void(Status)>;
  void prepare(const std::string& model, Job job);

 private:
  struct Lane {
    std::condition_variable changed;
    std::deque<Job> waiting;
    std::vector<std::thread> threads;
  };
  enum LaneOf : size_t { kFree, kHeld, kLoading, kLanes };
  void add(LaneOf lane, Job job);
  void prepare_calls(Lane& lane);

  Models models_;
  std::mutex mutex_;  // guards the rest but the threads
  bool stopping_ = false;
  std::array<Lane, kLanes> lanes_;  // last: their threads use all of the above
};

}  // namespace weft::backend
