// SPDX-License-Identifier: Apache-2.0
#include "runtime/side_jobs.h"

#include <utility>

#include "base/error.h"

namespace weft::runtime {

void SideJobs::add(SideJob job) {
  CHECK(job != nullptr, "a job that does nothing");
  const std::scoped_lock lock(mutex_);
  jobs_.push_back(std::move(job));
}

bool SideJobs::empty() const {
  const std::scoped_lock lock(mutex_);
  return jobs_.empty();
}

bool SideJobs::work(tensor::Ops& ops) {
  SideJob job;
  {
    const std::scoped_lock lock(mutex_);
    if (jobs_.empty()) return false;
    job = std::move(jobs_.front());
    jobs_.pop_front();
  }
  const SideWork left = job(ops);
  if (left == SideWork::kPause) add(std::move(job));
  if (left == SideWork::kGoOn) {
    const std::scoped_lock lock(mutex_);
    jobs_.push_front(std::move(job));
  }
  return true;
}

}  // namespace weft::runtime
