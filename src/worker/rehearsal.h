// SPDX-License-Identifier: Apache-2.0
//
// A dry run: a run of the real executor in which steps are planned, their templates rendered,
// models asked and files read, and whatever else would leave the process, change something or wait
// is only written down and answered in its stead.
//
//   http, database, notification, shell, mcp, file that writes; as steps and as tools of agents:
//            parameters are checked, nothing is done        answered in the form of the type
//   approval, an agent's approve_tools                      approved
//   signal                                                  an example of its schema
//   wait                                                    over at once
//   all else                                                as in any run
//
// Who asks for the dry run may say better answers, by the step's path or the tool's name. On the
// loop.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "worker/step_type.h"

namespace weft::worker {

// What would have happened.
struct RehearsedCall {
  std::string path;           // of the step
  std::string type;
  std::string tool = {};      // of an agent; empty: the step itself
  bool approval = false;      // a person would be asked first
  json::Object parameters;    // rendered
  json::Value answer = {};    // what it was answered with
  bool given = false;         // that was said beforehand
};

class Rehearsal {
 public:
  using Answers = std::map<std::string, json::Value>;
  explicit Rehearsal(Answers answers = {}) : answers_(std::move(answers)) {}

  // In place of type.start(). `tool`: an agent calls it under that name, perhaps after an approval.
  Started begin(const StepType& type, StepContext context, StepDone done,
                std::string_view tool = {}, bool approval = false);

  const std::vector<RehearsedCall>& calls() const { return calls_; }
  // Answers that nothing has asked for: misspelt, most likely.
  std::vector<std::string> unused_answers() const;

 private:
  const json::Value* answer_for(const RehearsedCall& call);
  Started answered(RehearsedCall call, json::Value usual);
  Started waited(const StepType& type, StepContext context, StepDone done, const StepWait& wait);

  Answers answers_;
  std::map<std::string, bool> used_;
  std::vector<RehearsedCall> calls_;
};

// The one way to begin a step or a tool: as a dry run does where this is one, else with the values
// of the secrets that it uses (secrets.h), which are taken out of what it answers.
Started begin_step(const StepType& type, StepContext context, StepDone done,
                   std::string_view tool = {}, bool approval = false);

}  // namespace weft::worker
