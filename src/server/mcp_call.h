// SPDX-License-Identifier: Apache-2.0
//
// One tools/call at work: the run of a workflow, told to the client step by step, with the run's
// questions asked of the client's person, and its end as the answer.
//
//   submit --> listen: log and progress of steps --> waits for a person? --> elicitation
//                 ^                                        | the client cannot ask: answer now,
//                 +------- told to the run <---------------+ the run goes on waiting
//                 --> end --> content
//
// A client that cancels cancels the run; one that goes away does not.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "server/mcp.h"
#include "worker/notice.h"
#include "worker/run_acts.h"

namespace weft::server {

class McpCall : public std::enable_shared_from_this<McpCall> {
 public:
  McpCall(ServerContext& context, std::shared_ptr<McpSession> session, json::Value id,
          McpSession::Sink sink);

  // `params` of tools/call. What is wrong with it is answered.
  void start(const json::Object& params);
  void cancel(std::string reason);
  // Nobody hears of it any more; the run goes on.
  void forget();

 private:
  void submitted(const std::string& run);
  void on_notice(const worker::Notice& notice);
  void on_step(const worker::Notice& notice);
  void tell_progress();
  void look_for_questions();
  void ask(const worker::RequiredAction& action);
  void answered(const worker::RequiredAction& action, const Result<json::Object>& answer);
  // `action`: what it is in the audit.
  void act(std::string_view action,
           std::function<Result<worker::Posted>(const worker::PostContext&)> post);
  void cancel_run(std::string reason);
  void read_end();
  void finish(json::Object result);
  void refuse(McpError code, std::string_view message);
  void answer(json::Object message);
  void log(std::string_view level, json::Value data);

  ServerContext& context_;
  std::shared_ptr<McpSession> session_;  // null: over
  const json::Value id_;
  const McpSession::Sink sink_;
  json::Value progress_token_;           // null: not wanted
  std::string tool_, run_;
  uint64_t listener_ = 0;
  std::set<std::string> ended_;          // steps
  std::set<std::string> asked_;          // paths of questions under way
  std::vector<std::string> questions_;   // their keys in the session
  int64_t steps_ = 1;
  bool cancelled_ = false;
  bool reading_ = false;
  bool again_ = false;
};

// The output of a run as a tool's result: {content: [blocks of MCP]} as it is, text as text, all
// else as JSON, which is told as structured content, too.
json::Object mcp_result(const json::Value& output);

}  // namespace weft::server
