// SPDX-License-Identifier: Apache-2.0
//
// `weft generate`: one answer of a model, streamed as it comes. `weft chat`: a conversation on the
// terminal. Both ask a backend exactly as an llm step does; they hold no model logic of their own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/model_flags.h"

namespace weft::cli {

struct ChatOptions {
  std::string model = "default";
  std::string system;                      // text of a system message in front; empty = none
  bool think = false;                      // reasoning on
  bool no_think = false;                   // reasoning off; neither: the model's default
  std::optional<int64_t> thinking_budget;  // reasoning tokens at most
  int64_t max_tokens = 512;
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<int64_t> top_k;
  std::optional<double> min_p;
  std::optional<double> repetition_penalty;
  std::optional<double> presence_penalty;
  std::optional<double> frequency_penalty;
  uint64_t seed = 0;
  std::vector<std::string> stop;
  std::string schema;                // file: JSON Schema of the answer
  std::string regex;                 // of the whole answer
  std::string choice;                // texts with commas between
  std::string ebnf;                  // file
  std::string precision = "native";  // f32, native, q8
  ModelFlags flags;
  int threads = 0;                   // 0 = all usable cores
  bool no_cache = false;             // packed weights are neither read nor kept
  std::vector<std::string> empty_flags;  // that were given an empty text
};

struct GenerateOptions {
  ChatOptions chat;
  std::string prompt;    // one user message, or
  std::string messages;  // "@file.json" or JSON text: a list of messages
  std::string tools;     // "@file.json" or JSON text: OpenAI function definitions
  std::string tool_choice;  // auto, none, required, or a tool's name
  bool json = false;
};

int run_generate(const GenerateOptions& options);
int run_chat(const ChatOptions& options);

}  // namespace weft::cli
