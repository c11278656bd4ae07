// SPDX-License-Identifier: Apache-2.0
#include "backend/answer_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/digest.h"
#include "chat/call_grammar.h"
#include "chat/verbatim.h"
#include "text/json_spelling.h"

namespace weft::backend {
namespace {

constexpr size_t kChosenMax = 256;
constexpr int kChosenDepth = 16;

// Errors by which a grammar says that it cannot hold an answer to a schema, although the schema is
// a right one: a keyword, a pattern, a size.
bool is_refusal(const Error& error) {
  return error.code == "E0320" || error.code == "E0321" || error.code == "E0323";
}

grammar::SchemaOptions schema_options(const LoadedModel& model) {
  using Spacing = grammar::SchemaOptions::Spacing;
  const std::string& said = model.instance->config.generation.json_spacing;
  grammar::SchemaOptions options;
  options.spacing = said == "spaced"   ? Spacing::kSpaced
                    : said == "either" ? Spacing::kOptional
                                       : Spacing::kCompact;
  return options;
}

Status check_one_form(const ChatRequest& request) {
  std::vector<std::string> given;
  if (!request.output_schema.is_null()) given.emplace_back("a schema");
  if (request.regex) given.emplace_back("a regular expression");
  if (!request.choice.empty()) given.emplace_back("choices");
  if (request.ebnf) given.emplace_back("an EBNF grammar");
  if (given.size() > 1) {
    return make_error("E0712", fmt::format("the answer should have {} and {}", given[0], given[1]),
                      "give one form");
  }
  if (!given.empty() && !request.stop.empty()) {
    return make_error("E0712",
                      fmt::format("stop: the answer has {}, which stop texts could cut off",
                                  given[0]),
                      "leave the stop texts away: the form says where the answer ends");
  }
  return ok_status();
}

template <class T>
Result<T> at(Result<T> result, std::string_view place) {
  if (result.ok()) return result;
  return in_context(std::move(result).error(), place);
}

Result<grammar::GrammarPtr> grammar_of(const LoadedModel& model, const ChatRequest& request,
                                       const json::Value& schema) {
  grammar::Grammars& all = *model.grammars;
  if (!schema.is_null()) {
    return at(all.of_schema(schema, schema_options(model)), kSchemaPlace);
  }
  if (request.regex) return at(all.of_regex(*request.regex), kRegexPlace);
  if (!request.choice.empty()) return at(all.of_choice(request.choice), kChoicePlace);
  if (request.ebnf) return at(all.of_ebnf(*request.ebnf), kEbnfPlace);
  return grammar::GrammarPtr();
}

std::string name_of(const ChatRequest& request) {
  if (!request.output_schema.is_null()) {
    return "json-schema:" + sha256_hex(json::dump(request.output_schema));
  }
  if (request.regex) return "regex:" + sha256_hex(*request.regex);
  if (request.ebnf) return "ebnf:" + sha256_hex(*request.ebnf);
  json::Array choices(request.choice.begin(), request.choice.end());
  return "choice:" + sha256_hex(json::dump(choices));
}

// What a request's conversation offers to be copied, looked through when it is first asked for: one
// for its tools and its answer, whose work has one limit.
class Copies {
 public:
  explicit Copies(const json::Array& messages) : messages_(messages) {}
  Result<chat::CopySource*> source() {
    if (!source_) source_ = TRY(chat::CopySource::of(messages_));
    return &*source_;
  }

 private:
  const json::Array& messages_;
  std::optional<chat::CopySource> source_;
};

// Fields that must be copied can be filled from this conversation; a tool with a required one that
// nothing fits is left out.
Result<std::vector<chat::Tool>> with_copied_fields(const LoadedModel& model, Copies& copies,
                                                   std::vector<chat::Tool> tools) {
  std::vector<chat::Tool> out;
  for (chat::Tool& tool : tools) {
    const json::Value parameters(tool.parameters);
    if (chat::asks_verbatim(parameters)) {
      const std::string place = fmt::format("tools: parameters of {}", tool.name);
      chat::CopySource* source = TRY(copies.source());
      const json::Value* root = tool.parameters.if_contains(chat::kVerbatim);
      if (root != nullptr && *root != json::Value(false)) {
        return make_error("E0301", fmt::format("{}: {} stands on a field, not on all of them",
                                               place, chat::kVerbatim));
      }
      json::Value bound = TRY(at(chat::bound_to(parameters, *source), place));
      CHECK(bound.is_object(), "only a marked schema becomes another kind of value");
      tool.parameters = std::move(bound.get_object());
      if (source->without_choice) {
        const auto alone = chat::call_grammar(TRY(model.grammars->vocabulary()),
                                              model.dialect->call_format, {&tool, 1});
        if (!alone.ok() && alone.error().code == "E0324") continue;
      }
    }
    out.push_back(std::move(tool));
  }
  return out;
}

Result<chat::CallOptions> call_options(const LoadedModel& model, const ChatRequest& request,
                                       Copies& copies) {
  chat::CallOptions out;
  out.tools = TRY(chat::parse_tools(request.tools));
  const chat::ToolChoice choice = TRY(chat::parse_tool_choice(request.tool_choice, out.tools));
  out.choice = choice.mode;
  out.parallel = request.parallel_tool_calls;
  if (out.tools.empty() || !model.dialect->call_open) {
    if (choice.mode == chat::ToolChoice::Mode::kRequired) {
      return make_error("E0744", fmt::format("model {} has no form for tool calls",
                                             model.instance->name),
                        "leave tool_choice away, or use another model");
    }
    out.choice = chat::ToolChoice::Mode::kNone;
    return out;
  }
  if (choice.mode == chat::ToolChoice::Mode::kNone) return out;
  std::vector<chat::Tool> callable = out.tools;
  if (!choice.name.empty()) {
    std::erase_if(callable, [&](const chat::Tool& tool) { return tool.name != choice.name; });
  }
  const chat::CallFormat format = model.dialect->call_format;
  callable = TRY(with_copied_fields(model, copies, std::move(callable)));
  if (callable.empty()) {
    if (choice.mode == chat::ToolChoice::Mode::kRequired) {
      return make_error("E0324", fmt::format("no tool can be called: nothing in the conversation "
                                             "fits a field with {}", chat::kVerbatim),
                        "leave tool_choice away, or name in the conversation what is to be copied");
    }
    out.choice = chat::ToolChoice::Mode::kNone;
    return out;
  }
  out.grammar = TRY(model.grammars->of(
      chat::call_grammar_key(format, callable), [&](grammar::VocabularyPtr vocabulary) {
        return chat::call_grammar(std::move(vocabulary), format, callable);
      }));
  out.tools = std::move(callable);  // types are read as the grammar writes them
  return out;
}

bool is_choice(const json::Object& schema) {
  const json::Value* type = schema.if_contains("type");
  return schema.contains("enum") || schema.contains("const") || (type && *type == "boolean");
}

// Members of objects, by the schema beside the value. `$ref` into $defs is followed once a step.
class ChosenValues {
 public:
  ChosenValues(const json::Value& root, std::string_view text,
               const std::vector<text::TokenText>& tokens)
      : root_(root), text_(text), tokens_(tokens) {}

  void walk(const json::Value& schema, const json::Value& value, const std::string& pointer,
            int depth) {
    const json::Value* at = &schema;
    for (int i = 0; i < kChosenDepth && at->is_object(); ++i) {
      const json::Value* ref = at->get_object().if_contains("$ref");
      if (ref == nullptr || !ref->is_string()) break;
      at = referenced(std::string_view(ref->get_string()));
      if (at == nullptr) return;
    }
    if (depth > kChosenDepth || out_.size() >= kChosenMax || !at->is_object()) return;
    const json::Object& keywords = at->get_object();
    if (!pointer.empty() && is_choice(keywords) && !value.is_object()) {
      const auto probability = text::field_probability(tokens_, text_, pointer);
      if (probability) out_.push_back({pointer, value, *probability});
      return;
    }
    const json::Value* properties = keywords.if_contains("properties");
    if (!properties || !properties->is_object() || !value.is_object()) return;
    for (const auto& [name, member] : value.get_object()) {
      const json::Value* inner = properties->get_object().if_contains(name);
      if (inner) walk(*inner, member, pointer + "/" + escaped(name), depth + 1);
    }
  }
  std::vector<ChosenValue> take() { return std::move(out_); }

 private:
  static std::string escaped(std::string_view name) {
    std::string out;
    for (const char c : name) {
      if (c == '~' || c == '/') {
        out += c == '~' ? "~0" : "~1";
      } else {
        out += c;
      }
    }
    return out;
  }
  const json::Value* referenced(std::string_view ref) const {
    if (!ref.starts_with('#')) return nullptr;
    boost::system::error_code failed;
    const json::Value* found = root_.find_pointer(ref.substr(1), failed);
    return failed ? nullptr : found;
  }

  const json::Value& root_;
  std::string_view text_;
  const std::vector<text::TokenText>& tokens_;
  std::vector<ChosenValue> out_;
};

}  // namespace

Result<AnswerForm> answer_form(const LoadedModel& model, const ChatRequest& request) {
  CHECK(model.grammars != nullptr && model.dialect.has_value());
  TRY(check_one_form(request));
  AnswerForm out;
  Copies copies(request.messages);
  out.calls = TRY(call_options(model, request, copies));
  out.schema = request.output_schema;
  if (!out.schema.is_null() && chat::asks_verbatim(out.schema)) {
    chat::CopySource* source = TRY(copies.source());
    out.schema = TRY(at(chat::bound_to(out.schema, *source), kSchemaPlace));
  }
  auto made = grammar_of(model, request, out.schema);
  if (!made.ok()) {
    const bool optional = request.output_best_effort && !request.output_schema.is_null();
    if (!optional || !is_refusal(made.error())) return std::move(made).error();
    out.not_held = made.error().text();
    return out;
  }
  out.answer = std::move(made).value();
  if (out.answer) out.grammar = name_of(request);
  return out;
}

std::vector<ChosenValue> chosen_values(const json::Value& schema, std::string_view answer,
                                       const std::vector<GeneratedToken>& tokens) {
  const auto value = json::parse(answer);
  if (!value.ok()) return {};
  std::vector<text::TokenText> spelled;
  for (const GeneratedToken& token : tokens) spelled.push_back({token.bytes, token.logprob});
  ChosenValues out(schema, answer, spelled);
  out.walk(schema, *value, {}, 0);
  return out.take();
}

}  // namespace weft::backend
