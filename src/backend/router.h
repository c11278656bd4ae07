// SPDX-License-Identifier: Apache-2.0
//
// The backend that everybody asks: it lets the rules (routing.h) choose model, mode and budget,
// hands the request to the engine of this process or to another server, measures how fast each
// model answers and counts what it has cost.
//
//   request --> route --> answer without thought --> sure enough? --> result
//                 | not adaptive: one answer             | no
//                 +------------> result                  +--> answer with thought --> result
//
// Whoever has no configuration and wishes nothing gets the model that he names, as ever. Callbacks
// come on the threads of the backends; of an adaptive request the first answer is told only when
// it is kept, in one piece.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/ledger.h"
#include "backend/local.h"
#include "backend/remote.h"
#include "backend/routing.h"

namespace weft::backend {

class Router final : public Backend {
 public:
  // `remote` may be null. Both are ended with the router.
  Router(std::unique_ptr<LocalBackend> local, std::unique_ptr<RemoteBackend> remote,
         RoutingConfig config = {});
  // Calls under way end as cancelled.
  ~Router() override;

  // Errors through on_done: those of the backends, and of choose_route().
  std::shared_ptr<ChatCall> chat(ChatRequest request, ChatCallbacks callbacks) override;
  // Also of names that the rules may lead outside.
  bool is_remote(const std::string& model) const override;

  LocalBackend& local() { return *local_; }
  const RemoteBackend* remote() const { return remote_.get(); }  // may be null
  const RoutingConfig& config() const { return config_; }
  const std::shared_ptr<Ledger>& ledger() const { return ledger_; }
  std::map<std::string, Measured> measured() const;

 private:
  std::function<bool(const std::string&)> local_models() const;  // whose engine is this process's
  friend class RoutedCall;
  Backend& backend_of(const std::string& model);
  Result<Route> route_of(const ChatRequest& request, const std::vector<SpendingKey>& spending);
  // Exchanges what is held for a second answer for what that costs at most now; the ceiling that
  // has no room for it, or nothing.
  std::string hold_second(const std::vector<SpendingKey>& spending, const Route& route,
                          int64_t prompt_tokens, double& held);
  // What the answer has cost; 0 where nobody has set a price.
  double price(const std::string& model, const ChatResult& result) const;
  // The same, and measures.
  double note(const std::string& model, const ChatResult& result);

  const RoutingConfig config_;
  mutable std::mutex mutex_;  // guards measured_
  std::map<std::string, Measured> measured_;
  const std::shared_ptr<Ledger> ledger_;  // other threads may use it beyond the router's end
  std::unique_ptr<LocalBackend> local_;
  std::unique_ptr<RemoteBackend> remote_;
  std::shared_mutex ending_mutex_;  // held while a call's end asks a backend again
  bool ending_ = false;             // guarded by it: a backend may be gone
};

}  // namespace weft::backend
