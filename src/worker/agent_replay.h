// SPDX-License-Identifier: Apache-2.0
//
// The turns of an agent step made again, to compare them (replay.h): the model is asked as it was
// then, and what tools said is taken from the notes. Nothing is called and nothing is written.
#pragma once

#include "worker/agent_run.h"

namespace weft::worker {

// `done` comes on a thread of the backend, with the evidence of every turn, the last included.
std::unique_ptr<Activity> replay_agent(AgentOptions options, const StepContext& context,
                                       StepDone done);

}  // namespace weft::worker
