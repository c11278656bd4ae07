// SPDX-License-Identifier: Apache-2.0
//
// What observers of runs hear: state changes and what models write. Notices leave the process (on
// a terminal, a stream), so the executor holds each back until what it tells is on disk.
#pragma once

#include <cstdint>
#include <string>

#include "worker/step_type.h"

namespace weft::worker {

// Something an observer may tell the world; it is on disk when it is delivered.
struct Notice {
  enum class Kind : uint8_t {
    kRun,       // the run's status changed
    kStep,      // a step's did
    kProgress,  // a model wrote something
    kClaimed,   // this process took the run over
    kLost       // the run belongs to another worker now; with a `why`: the store refuses it
  };
  Kind kind = Kind::kRun;
  std::string run = {};
  std::string path = {};
  std::string status = {};
  std::string why = {};
  std::string code = {};  // of the error behind a kLost with a `why`
  uint32_t attempt = 0;
  bool terminal = false;
  StepProgress progress = {};
};

}  // namespace weft::worker
