// SPDX-License-Identifier: Apache-2.0
#include "chat/call_grammar.h"

#include <fmt/format.h>

#include "grammar/regex.h"
#include "schema/pointer.h"

namespace weft::chat {
namespace {

using grammar::Dfa;
using grammar::RuleId;
using grammar::Rules;
using grammar::StateId;

constexpr std::string_view kParameterEnd = "\n</parameter>\n";

const grammar::SchemaOptions& spaced() {
  static const grammar::SchemaOptions options{
      .spacing = grammar::SchemaOptions::Spacing::kSpaced};
  return options;
}

class CallCompiler {
 public:
  CallCompiler(CallFormat format, std::span<const Tool> tools) : format_(format), tools_(tools) {}

  Result<Rules> run() {
    CHECK(!tools_.empty());
    root_ = rules_.add_rule("call");
    end_ = rules_.add_state(root_);
    rules_.set_final(end_);
    const StateId begin = rules_.rule(root_).start;
    for (size_t i = 0; i < tools_.size(); ++i) {
      const Status made = format_ == CallFormat::kXml ? add_xml(begin, tools_[i])
                                                      : add_json(begin, tools_[i]);
      if (!made.ok()) {
        return in_context(made.error(), fmt::format("tools: parameters of {}", tools_[i].name));
      }
    }
    Status finished = rules_.finish(root_);
    if (!finished.ok()) return in_context(std::move(finished).error(), "tools");
    return std::move(rules_);
  }

 private:
  StateId written(StateId from, std::string_view text) {
    const StateId to = rules_.add_state(root_);
    rules_.text(from, text, to);
    return to;
  }
  StateId called(StateId from, RuleId rule) {
    const StateId to = rules_.add_state(root_);
    rules_.call(from, rule, to);
    return to;
  }
  Result<RuleId> value_of(const json::Value& schema) {
    const schema::Schema parsed = TRY(schema::Schema::parse(schema));
    return rules_.include(TRY(grammar::schema_rules(parsed, spaced())));
  }

  Status add_json(StateId at, const Tool& tool) {
    const std::string_view line = format_ == CallFormat::kJsonLines ? "\n" : "";
    std::string head = fmt::format("{}{{\"name\": ", line);
    json::append_quoted(head, tool.name);
    const RuleId arguments = TRY(value_of(tool.parameters));
    at = called(written(at, head + ", \"arguments\": "), arguments);
    rules_.text(at, fmt::format("}}{}", line), end_);
    return ok_status();
  }

  Status add_xml(StateId at, const Tool& tool) {
    at = written(at, fmt::format("\n<function={}>\n", tool.name));
    const json::Value* properties = tool.parameters.if_contains("properties");
    if (properties && properties->is_object()) {
      for (const auto& [name, schema] : properties->get_object()) {
        if (schema == json::Value(false) && !is_required(tool, name)) continue;
        const StateId behind = rules_.add_state(root_);
        TRY(add_parameter(at, tool, name, behind));
        if (!is_required(tool, name)) rules_.jump(at, behind);
        at = behind;
      }
    }
    rules_.text(at, "</function>\n", end_);
    return ok_status();
  }

  static bool is_required(const Tool& tool, std::string_view name) {
    const json::Value* required = tool.parameters.if_contains("required");
    if (required == nullptr || !required->is_array()) return false;
    for (const json::Value& one : required->get_array()) {
      if (one.is_string() && std::string_view(one.get_string()) == name) return true;
    }
    return false;
  }

  // A parameter's own schema, with the definitions that it may refer to.
  static json::Value parameter_schema(const Tool& tool, std::string_view name) {
    json::Object out;
    for (const char* definitions : {"$defs", "definitions"}) {
      if (const json::Value* found = tool.parameters.if_contains(definitions)) {
        out[definitions] = *found;
      }
    }
    out["allOf"] = json::Array{tool.parameters.at("properties").as_object().at(name)};
    return out;
  }

  // Places in parameter_schema() as places in the tool's own schema.
  static Error in_parameter(Error error, std::string_view name) {
    constexpr std::string_view kInside = "#/allOf/0";
    std::string& message = error.message;
    if (message.starts_with("#/$defs/") || message.starts_with("#/definitions/")) return error;
    std::string place = "#/properties";
    schema::append_step(place, name);
    if (message.starts_with(kInside)) {
      message.replace(0, kInside.size(), place);
    } else if (message.starts_with('#')) {
      message.replace(0, 1, place);
    } else {
      return in_context(std::move(error), place);
    }
    return error;
  }

  Status add_parameter(StateId at, const Tool& tool, std::string_view name, StateId behind) {
    at = written(at, fmt::format("<parameter={}>\n", name));
    const json::Value schema = parameter_schema(tool, name);
    RuleId value = grammar::kNoRule;
    if (parameter_is_text(tool, name)) {
      auto text = plain_text(schema);
      if (!text.ok()) return in_parameter(std::move(text).error(), name);
      value = rules_.add_rule(fmt::format("text of {}", name));
      rules_.embed(value, *text);
    } else {
      auto made = value_of(schema);
      if (!made.ok()) return in_parameter(std::move(made).error(), name);
      value = *made;
    }
    rules_.text(called(at, value), kParameterEnd, behind);
    return ok_status();
  }

  // Text as it is, without quotes: whatever the schema allows that does not look like the markup
  // behind it.
  static Result<Dfa> plain_text(const json::Value& schema) {
    const schema::Schema parsed = TRY(schema::Schema::parse(schema));
    const grammar::Facts facts(parsed, spaced());
    const auto set = facts.expanded({parsed.root() << 2});
    if (!set) return make_error("E0324", "no text fits the schema");
    Dfa language;
    if (const auto values = facts.values(*set)) {
      std::vector<std::string_view> texts;
      for (const json::Value* value : *values) {
        if (value->is_string()) texts.emplace_back(value->get_string());
      }
      language = grammar::literals(texts);
    } else {
      language = TRY(grammar::language_of(TRY(facts.strings(*set))));
    }
    const Dfa markup = TRY(grammar::regex_language("</parameter>", grammar::Matching::kSearch));
    return grammar::combined(language, markup, grammar::Combine::kFirstWithoutSecond);
  }

  CallFormat format_;
  std::span<const Tool> tools_;
  Rules rules_;
  RuleId root_ = 0;
  StateId end_ = 0;
};

}  // namespace

Result<std::shared_ptr<grammar::Grammar>> call_grammar(grammar::VocabularyPtr vocabulary,
                                                       CallFormat format,
                                                       std::span<const Tool> tools) {
  Rules rules = TRY(CallCompiler(format, tools).run());
  return std::make_shared<grammar::Grammar>(std::move(vocabulary), std::move(rules));
}

std::string call_grammar_key(CallFormat format, std::span<const Tool> tools) {
  std::string key = fmt::format("calls {}", static_cast<int>(format));
  for (const Tool& tool : tools) {
    json::append_quoted(key, tool.name);
    json::append_dump(key, json::Value(tool.parameters));
  }
  return key;
}

}  // namespace weft::chat
