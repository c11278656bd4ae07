// SPDX-License-Identifier: Apache-2.0
//
// Work beside an engine's requests that needs the model's forward pass, such as embeddings. A job
// is called on the engine's thread between two ticks, again and again, until it says that it is
// done; each call should take about as long as a tick, so that requests under way hardly notice it.
//
// Jobs take turns where they hold no memory. Those left when the engine ends are destroyed unheard.
#pragma once

#include <deque>
#include <functional>
#include <mutex>

namespace weft::tensor {
class Ops;
}

namespace weft::runtime {

enum class SideWork {
  kDone,
  kPause,  // there is more to do, and others may have their turn before it
  kGoOn,   // there is more to do; what is half done holds memory, so nobody else begins
};
using SideJob = std::function<SideWork(tensor::Ops&)>;

class SideJobs {
 public:
  void add(SideJob job);  // from any thread
  bool empty() const;
  // One call of the job whose turn it is. False: there was none. On the engine's thread.
  bool work(tensor::Ops& ops);

 private:
  mutable std::mutex mutex_;
  std::deque<SideJob> jobs_;
};

}  // namespace weft::runtime
