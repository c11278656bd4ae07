// SPDX-License-Identifier: Apache-2.0
//
// One agent step at work: turns of a model, each followed by the calls that it wants.
//
//   think --calls--> note the turn --on disk--> [a person approves] --> calls, side by side
//     ^                                                                  | note each result
//     |--------------------- all have results <--------------------------|
//     |--no calls--> the answer
//
// Everything that must not happen twice is noted in the journal (StepNote): a turn before its
// calls begin, a result when it is there. A process that takes the run over finds the notes, goes
// on behind them, and repeats only what is harmless; a call with an unsafe effect that was cut off
// makes the step unknown, as it would a step, in the commit that notes which call it is.
//
// On the loop's thread. It does not know how a tool does what it does (tools.h).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "chat/verbatim.h"
#include "worker/llm_request.h"
#include "worker/step_type.h"
#include "worker/tools.h"

namespace weft::worker {

struct AgentOptions {
  backend::ChatRequest request;         // model, sampling, form of the answer; first messages
  AskedMode asked;                      // for the journal
  std::vector<Tool> tools;              // exactly those that may be called
  std::set<std::string> approve;        // names of those that a person approves first
  std::string approve_role;
  int64_t approve_timeout_us = 0;       // 0: none
  int max_turns = 8;
  int errors_max = 1;                   // turns with errors of one tool that go back to the model
  int64_t tokens_max = 4096;            // generated in all turns together
  std::shared_ptr<const json::Value> output;  // schema of the answer; null: text
};

// How far it has come.
struct AgentProgress {
  json::Array messages = {};  // beyond those of the request
  int turn = 0;               // turns ended
  int64_t tokens = 0;         // generated so far
  int64_t reasoning = 0;      // of these
};
// What the model is asked in the next turn.
backend::ChatRequest turn_request(const AgentOptions& options, const AgentProgress& progress);

class AgentRun : public std::enable_shared_from_this<AgentRun> {
 public:
  // `context` keeps what it needs of what it points to.
  AgentRun(AgentOptions options, StepContext context, StepDone done);
  ~AgentRun();

  // Goes on behind the notes. With `decision` (the answer to StepWait) the calls of the last turn
  // are approved or not.
  void start(const json::Object* decision);
  void cancel();
  // Beginning anew is harmless unless an unsafe call was made; those under way are noted as such.
  Activity::Stopped stop_at_limit();
  // Calls that had begun, and whose ends no note will tell.
  std::vector<ActRow> under_way() const;

 private:
  struct Call {
    std::string id;
    std::string name;
    json::Value arguments;
    const Tool* tool = nullptr;         // null: not on offer
    std::unique_ptr<Activity> activity = {};
    std::string text = {};              // what the model reads
    bool ended = false;
    bool failed = false;
    bool begun = false;                 // maybe, by a process that is gone
    bool unknown = false;               // nobody knows whether that one acted
    bool refused = false;               // by a person, or by nobody in time
    bool rejected = false;              // by a person
    bool acts = false;                  // begun here, with an unsafe effect
  };
  struct Objection {
    std::string kind;                   // for the audit
    std::string words;                  // for the model
  };
  // What the calls of a turn, or the answer, may copy: one budget of work for all of them, as the
  // models of this process have it for each request.
  struct Copies {
    std::optional<chat::CopySource> source = {};
    std::map<std::string, Result<json::Value>> bound = {};  // by tool; the answer: without a name
  };
  struct Failures {
    int turns = 0;                      // in which calls of the tool failed
    std::string last = {};              // what the model was told then
  };

  void restore(const json::Array& notes);
  void restore_turn(const json::Object& note);
  void restore_call(const json::Object& note);
  void refuse_unless_approved(const json::Object& decision);
  void decide(const json::Object& decision);

  void think();
  void on_turn(Result<backend::ChatResult> result);
  void begin_turn(json::Object message);
  void run_calls();
  bool needs_approval(size_t index) const;
  bool asks() const;
  StepWait approval() const;
  void run_call(size_t index);
  bool tell_cut_off();
  std::string these(const std::vector<size_t>& calls) const;
  void tell_unknown(Error error, const std::vector<size_t>& calls, std::vector<ActRow> acts);
  json::Object note_of_unknown(size_t index) const;
  bool unsafe(size_t index) const;
  static std::string identity(const Call& call);
  std::string excess(size_t index) const;
  std::optional<Objection> objection(size_t index);
  std::string made_up(const Call& call);
  Result<json::Value> bound_to_conversation(const std::string& tool, const json::Value& schema);
  ActRow told_of(size_t index, const StepOutcome& outcome, bool began) const;
  void on_call(size_t index, StepOutcome outcome);
  void end_call(size_t index, std::string text, bool is_error, ActRow act);
  json::Object about(size_t index) const;
  void end_turn();
  void next_turn();
  void go_on();
  void give_up(std::string message, std::string hint);
  void finish(backend::ChatResult result);
  void tell(StepOutcome outcome);
  StepContext call_context(size_t index) const;
  int64_t now_us() const;

  AgentOptions options_;
  StepContext context_;
  StepDone done_;                       // empty: told, or stopped
  json::Value input_, env_;
  json::Object run_context_;
  const int64_t start_ns_;
  std::shared_ptr<backend::ChatCall> thinking_;
  AgentProgress progress_;
  std::vector<Call> calls_;             // of the turn in progress
  Copies copies_;                       // in the turn in progress
  bool decided_ = false;                // about the calls of this turn
  bool acted_ = false;                  // an unsafe call was begun, here or before
  std::map<std::string, Failures> failures_;  // by tool
  std::set<std::string> made_;          // calls that gave results, by name and arguments
  std::set<std::string> rejected_;      // calls that a person has refused: nobody is asked again
};

}  // namespace weft::worker
