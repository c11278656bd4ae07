// SPDX-License-Identifier: Apache-2.0
#include "chat/prompt.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/file.h"

namespace weft::chat {
namespace {

constexpr std::string_view kSpecialNames[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                              "pad_token", "cls_token", "mask_token"};

// A token is a text, or an object with its content.
std::vector<ChatTemplate::SpecialToken> specials_of(const json::Object& config) {
  std::vector<ChatTemplate::SpecialToken> out;
  for (const std::string_view name : kSpecialNames) {
    const json::Value* value = config.if_contains(name);
    if (value && value->is_object()) value = value->get_object().if_contains("content");
    if (value && value->is_string()) {
      out.push_back({std::string(name), std::string(value->get_string())});
    }
  }
  return out;
}

// `chat_template` is a text, or a list of named ones, of which `default` is taken.
std::optional<std::string> template_of(const json::Object& config) {
  const json::Value* value = config.if_contains("chat_template");
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return std::string(value->get_string());
  if (!value->is_array()) return std::nullopt;
  for (const json::Value& entry : value->get_array()) {
    if (!entry.is_object()) continue;
    const json::Value* name = entry.get_object().if_contains("name");
    const json::Value* source = entry.get_object().if_contains("template");
    if (name && *name == "default" && source && source->is_string()) {
      return std::string(source->get_string());
    }
  }
  return std::nullopt;
}

}  // namespace

ChatTemplate::ChatTemplate(text::Template parsed, std::vector<SpecialToken> specials)
    : template_(std::move(parsed)), specials_(std::move(specials)) {
  const std::vector<text::FreeName> names = template_.names();
  has_thinking_switch_ = std::any_of(names.begin(), names.end(), [](const text::FreeName& name) {
    return name.path[0] == "enable_thinking" || name.path[0] == "thinking";
  });
}

Result<ChatTemplate> ChatTemplate::parse(std::string source, std::vector<SpecialToken> specials,
                                         std::string name) {
  return ChatTemplate(TRY(text::Template::parse(std::move(source), std::move(name))),
                      std::move(specials));
}

Result<ChatTemplate> ChatTemplate::from_config(std::string_view tokenizer_config,
                                               std::optional<std::string> jinja) {
  auto parsed = json::parse(tokenizer_config);
  if (!parsed.ok()) return in_context(std::move(parsed).error(), "tokenizer_config.json");
  if (!parsed->is_object()) {
    return make_error("E0741", "tokenizer_config.json should be an object");
  }
  const json::Object& config = parsed->get_object();
  std::optional<std::string> source = jinja ? std::move(jinja) : template_of(config);
  if (!source) {
    return make_error("E0741", "the model has no chat template",
                      "it may be a base model; give one as chat_template.jinja beside its "
                      "tokenizer_config.json");
  }
  return parse(*std::move(source), specials_of(config));
}

Result<ChatTemplate> ChatTemplate::load(const std::string& directory) {
  constexpr size_t kBytesMax = size_t{16} << 20;
  const std::string config = TRY(read_file(directory + "/tokenizer_config.json", kBytesMax));
  std::optional<std::string> jinja;
  const std::string path = directory + "/chat_template.jinja";
  if (file_exists(path)) jinja = TRY(read_file(path, kBytesMax));
  return from_config(config, std::move(jinja));
}

Result<text::MarkedText> ChatTemplate::render(const PromptRequest& request) const {
  text::Variables variables;
  variables.set("tools", request.tools.empty() ? json::Value(nullptr) : json::Value(request.tools));
  variables.set("documents",
                request.documents.empty() ? json::Value(nullptr) : json::Value(request.documents));
  variables.set("add_generation_prompt", request.add_generation_prompt);
  if (request.enable_thinking) {
    variables.set("enable_thinking", *request.enable_thinking);
    // Granite 3.2 and 3.3 read this name; elsewhere nobody does.
    variables.set("thinking", *request.enable_thinking);
  }
  for (const auto& [name, value] : request.kwargs) variables.set(name, value);
  json::Array messages;
  for (const Message& message : request.messages) messages.push_back(template_form(message));
  variables.set("messages", std::move(messages));
  text::RenderOptions options;
  options.now = request.now;
  return render(variables, options);
}

Result<text::MarkedText> ChatTemplate::render(const text::Variables& variables,
                                              const text::RenderOptions& options) const {
  text::Variables all;
  for (const SpecialToken& special : specials_) all.set_markup(special.name, special.content);
  all.merge(variables);
  return template_.render(all, options);
}

}  // namespace weft::chat
