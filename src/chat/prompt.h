// SPDX-License-Identifier: Apache-2.0
//
// Conversation to prompt, through the chat template that came with the model. The result is marked
// text: what the template wrote may become control tokens, what came from messages, tools and
// documents never does (text/tokenizer.h encodes it so).
//
// Thinking is switched by the template's own variables (`enable_thinking`; Granite's `thinking`):
// nothing is appended behind its back. Budget 0 means the template's no-think form.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "chat/message.h"
#include "text/jinja.h"
#include "text/token.h"

namespace weft::chat {

struct PromptRequest {
  std::vector<Message> messages;
  json::Array tools;      // OpenAI's definitions; empty: the template sees none
  json::Array documents;  // empty: none
  bool add_generation_prompt = true;
  std::optional<bool> enable_thinking;  // unset: the template's own default
  json::Object kwargs;                  // further variables; they win over everything but messages
  std::optional<text::RenderOptions::Time> now;  // for strftime_now
};

// Immutable, for all threads; copies share the parsed template.
class ChatTemplate {
 public:
  // Special tokens by the names that templates use: bos_token, eos_token, …
  struct SpecialToken {
    std::string name;
    std::string content;
  };
  static Result<ChatTemplate> parse(std::string source, std::vector<SpecialToken> specials,
                                    std::string name = "chat template");
  // From the text of tokenizer_config.json; `jinja`: the text of chat_template.jinja, which wins
  // over the template inside the configuration. E0741 when there is no template at all.
  static Result<ChatTemplate> from_config(std::string_view tokenizer_config,
                                          std::optional<std::string> jinja = std::nullopt);
  // tokenizer_config.json and chat_template.jinja of a model's directory.
  static Result<ChatTemplate> load(const std::string& directory);

  Result<text::MarkedText> render(const PromptRequest& request) const;
  // The same for variables given as they are (`weft template`): `variables` wins.
  Result<text::MarkedText> render(const text::Variables& variables,
                                  const text::RenderOptions& options) const;

  const std::string& source() const { return template_.source(); }
  // Whether the template reads a switch for thinking at all.
  bool has_thinking_switch() const { return has_thinking_switch_; }

 private:
  ChatTemplate(text::Template parsed, std::vector<SpecialToken> specials);
  text::Template template_;
  std::vector<SpecialToken> specials_;
  bool has_thinking_switch_ = false;
};

}  // namespace weft::chat
