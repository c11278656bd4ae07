// SPDX-License-Identifier: Apache-2.0
//
// Proof that a worker's process is gone, without waiting for its lease: it ran on this boot of this
// machine, in this process namespace, and no process with its id and start time exists any more.
// Anything less (another machine, another container, unreadable labels, a /proc that cannot be
// read) proves nothing, and the lease decides. No clock is compared; a wrong "alive" only costs the
// rest of the lease.
#pragma once

#include <string>
#include <string_view>

namespace weft::worker {

// JSON for the column `labels` of this process's worker row.
std::string process_labels();

// True only for a process that certainly has ended.
bool known_dead(std::string_view labels);

}  // namespace weft::worker
