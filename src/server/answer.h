// SPDX-License-Identifier: Apache-2.0
//
// One request to a model, from its first byte to its last, whatever API it came by: starts the
// calls (one a choice), waits or streams, cancels them when the client goes away, counts. How an
// API spells what comes out is a ReplyForm; chat, completion, responses, drafts.
//
//   model loaded --> calls started --> deltas --> all done --> answered
//                        |  an error before the first event is an HTTP status, later an event
//
// A client that reads slowly gets fewer and larger events: text is joined while unsent bytes pile
// up, so memory is bounded by the answer itself. On the loop.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/direct.h"
#include "server/context.h"
#include "server/openai_error.h"

namespace weft::server {

class ReplyForm {
 public:
  virtual ~ReplyForm() = default;
  // Before everything else: what the model is.
  virtual void set_facts(const backend::ModelFacts& facts) = 0;

  virtual json::Value whole(std::span<const backend::ChatResult> results) = 0;

  // Events of a stream, as text; may be empty.
  virtual std::string opening(int choice) = 0;
  virtual std::string delta(int choice, const backend::ChatDelta& delta) = 0;
  virtual std::string closing(int choice, const backend::ChatResult& result) = 0;
  virtual std::string ending(std::span<const backend::ChatResult> results) = 0;
  virtual std::string failure(const Error& error) = 0;

  // What keeps these results from being an answer; asked before whole() and ending().
  virtual Status check(std::span<const backend::ChatResult> results) {
    (void)results;
    return ok_status();
  }
  // Errors before the first event have RFC 7807's form; else OpenAI's.
  virtual bool tells_problems() const { return false; }
};

struct AnswerPlan {
  using Start = std::function<std::shared_ptr<backend::ChatCall>(int choice,
                                                                 backend::ChatCallbacks)>;
  std::string model;
  int choices = 1;
  bool stream = false;
  Start start;
  std::unique_ptr<ReplyForm> form;
  std::vector<net::Header> headers = {};
  RequestWords words = {};  // for errors that layers below find
  // What is taken out of the answer; null: nothing. `json_answer`: it is JSON, and stays it.
  const security::Redaction* redaction = nullptr;
  bool json_answer = false;
};

// Answers the exchange, now or later.
void answer(ServerContext& context, const ExchangePtr& exchange, AnswerPlan plan);

}  // namespace weft::server
