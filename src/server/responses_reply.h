// SPDX-License-Identifier: Apache-2.0
//
// A backend's answer as OpenAI's Responses API shows it: items (reasoning, message, function
// calls), whole or as a stream of typed events with running numbers:
//
//   created · in_progress · (output_item.added · part.added · text.delta … · text.done ·
//   part.done · output_item.done)* · completed | incomplete | failed
//
// An item that is a call has function_call_arguments.delta … · function_call_arguments.done where
// others have their part; one that the answer's end cut short has no such done.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "server/answer.h"
#include "server/chat_reply.h"

namespace weft::server {

class ResponsesForm final : public ReplyForm {
 public:
  // `echo`: members that the response repeats. `finished` hears of the response when it is whole.
  using Finished = std::function<void(const json::Object& response, const backend::ChatResult&)>;
  // `top_logprobs`: alternatives of each token; -1: the answer has no log probabilities.
  ResponsesForm(ReplyHead head, json::Object echo, Finished finished, int top_logprobs);

  void set_facts(const backend::ModelFacts& facts) override;
  json::Value whole(std::span<const backend::ChatResult> results) override;
  std::string opening(int choice) override;
  std::string delta(int choice, const backend::ChatDelta& delta) override;
  std::string closing(int choice, const backend::ChatResult& result) override;
  std::string ending(std::span<const backend::ChatResult> results) override;
  std::string failure(const Error& error) override;

  // The assistant's message of the conversation that this answer is.
  json::Object message_of(const backend::ChatResult& result) const;

 private:
  enum class Part : uint8_t { kNone, kReasoning, kText };

  json::Object response(std::string_view status) const;
  json::Array output_of(const backend::ChatResult& result) const;
  json::Object reasoning_item(std::string_view text, std::string_view status) const;
  json::Object message_item(std::string_view text, std::string_view status,
                            json::Array logprobs = {}) const;
  json::Array logprobs_of(std::span<const backend::GeneratedToken> tokens) const;
  json::Object call_item(const chat::CallPiece& call) const;
  json::Object finished_response(const backend::ChatResult& result);
  std::string typed(std::string_view type, json::Object members);
  std::string open_part(Part part);
  std::string close_part(std::string_view status = "completed");
  std::string text_delta(Part part, const std::string& text, json::Array logprobs = {});
  std::string call_delta(const chat::CallPiece& piece);
  std::string close_call();

  ReplyHead head_;
  const json::Object echo_;
  const Finished finished_;
  const int top_logprobs_;
  const std::string seed_;   // ids of items end with it
  int64_t sequence_ = 0;     // of the next event
  int64_t output_index_ = 0; // of the item that is open, or comes next
  Part part_ = Part::kNone;  // that is open
  std::string part_text_;
  json::Array part_logprobs_;
  std::optional<chat::CallPiece> call_;  // that is open, as far as it is told
};

}  // namespace weft::server
