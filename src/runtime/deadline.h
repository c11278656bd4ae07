// SPDX-License-Identifier: Apache-2.0
//
// When a text with a deadline has to hurry: as soon as beginning to end any later might take beyond
// it. Pure; what ending costs the guide knows, how long that takes the engine's last ticks say.
#pragma once

#include "grammar/guide.h"
#include "runtime/tick_times.h"

namespace weft::runtime {

struct Backlog {
  int rows = 0;          // that go through the model before or beside the ending: prompts, and the
                         // endings of others whose deadline comes first
  bool decodes = false;  // the text's own prompt is done
};

// `left`: seconds until the deadline. `guide` may be null (text without a form: it is cut off in
// the last tick before the deadline). kGoOn: nothing new is needed.
grammar::Haste haste_needed(grammar::Guide* guide, grammar::Haste present, double left,
                            const Backlog& backlog, const TickTimes& times);

}  // namespace weft::runtime
