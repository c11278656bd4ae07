// SPDX-License-Identifier: Apache-2.0
#include "chat/call_grammar.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "grammar/conjunction.h"
#include "grammar/json_schema.h"
#include "grammar/regex.h"

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
      Status made = format_ == CallFormat::kXml ? add_xml(begin, tools_[i])
                                                : add_json(begin, tools_[i]);
      if (made.ok() && rules_.too_large()) made = rules_.finish(root_);
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
  Result<RuleId> value_of(const schema::Schema& schema, schema::NodeId part) {
    return rules_.include(TRY(grammar::schema_rules(schema, spaced(), part)));
  }

  Status add_json(StateId at, const Tool& tool) {
    const std::string_view line = format_ == CallFormat::kJsonLines ? "\n" : "";
    std::string head = fmt::format("{}{{\"name\": ", line);
    json::append_quoted(head, tool.name);
    const schema::Schema schema = TRY(schema::Schema::parse(tool.parameters));
    const RuleId arguments = TRY(value_of(schema, schema.root()));
    at = called(written(at, head + ", \"arguments\": "), arguments);
    rules_.text(at, fmt::format("}}{}", line), end_);
    return ok_status();
  }

  // A parameter that nothing fits is left away if it may be, as members are in JSON.
  Status add_xml(StateId at, const Tool& tool) {
    at = written(at, fmt::format("\n<function={}>\n", tool.name));
    const schema::Schema schema = TRY(schema::Schema::parse(tool.parameters));
    const schema::Node& all = schema.node(schema.root());
    for (const schema::Property& one : all.properties) {
      const bool required = std::ranges::find(all.required, one.name) != all.required.end();
      auto value = parameter_is_text(tool, one.name) ? text_of(schema, one)
                                                     : value_of(schema, one.node);
      if (!value.ok()) {
        if (value.error().code == "E0324" && !required) continue;
        return std::move(value).error();
      }
      const StateId behind = rules_.add_state(root_);
      const StateId begun = written(at, fmt::format("<parameter={}>\n", one.name));
      rules_.text(called(begun, *value), kParameterEnd, behind);
      if (!required) rules_.jump(at, behind);
      at = behind;
      if (rules_.too_large()) return ok_status();
    }
    rules_.text(at, "</function>\n", end_);
    return ok_status();
  }

  Result<RuleId> text_of(const schema::Schema& schema, const schema::Property& parameter) {
    TRY(grammar::schema_rules(schema, spaced(), parameter.node));  // refuses what it has to
    auto text = plain_text(schema, parameter.node);
    if (!text.ok()) return in_context(std::move(text).error(), schema.pointer(parameter.node));
    const RuleId out = rules_.add_rule(fmt::format("text of {}", parameter.name));
    rules_.embed(out, text->language, text->characters_max);
    return out;
  }

  // Text as it is, without quotes: whatever the schema allows that does not look like the markup
  // behind it.
  struct PlainText {
    Dfa language;
    uint32_t characters_max = grammar::kNoMax;  // counted, for an automaton would be large
  };
  static Result<PlainText> plain_text(const schema::Schema& schema, schema::NodeId part) {
    const grammar::Facts facts(schema, spaced());
    std::vector<std::string_view> listed;
    Dfa free = grammar::literals({});
    uint32_t characters_max = grammar::kNoMax;
    std::set<grammar::Conjunction> seen;
    std::vector<grammar::Conjunction> open = {{part << 2}};
    while (!open.empty()) {
      const auto set = facts.expanded(open.back());
      open.pop_back();
      if (!set || !seen.insert(*set).second) continue;
      if (const auto values = facts.values(*set)) {
        for (const json::Value* value : *values) {
          if (value->is_string()) listed.emplace_back(value->get_string());
        }
      } else if (const auto choice = facts.choice(*set)) {
        for (const schema::NodeId branch : choice->branches) {
          open.push_back(grammar::Facts::chosen(*set, *choice, branch));
        }
      } else if ((TRY(facts.types(*set)) & schema::kString) != 0) {
        grammar::Strings strings = TRY(facts.strings(*set));
        const bool one_form = seen.size() == 1;  // no alternatives
        if (one_form && !strings.content) std::swap(characters_max, strings.max);
        const Dfa more = TRY(grammar::language_of(strings));
        free = TRY(grammar::combined(free, more, grammar::Combine::kEither));
      }
    }
    return PlainText{TRY(without_markup(std::move(listed), free)), characters_max};
  }

  static Result<Dfa> without_markup(std::vector<std::string_view> listed, const Dfa& free) {
    constexpr std::string_view kMarkup = "</parameter>";
    std::erase_if(listed, [](std::string_view text) { return text.find(kMarkup) != text.npos; });
    Dfa out = grammar::literals(listed);
    if (!free.is_empty()) {
      const Dfa markup = TRY(grammar::regex_language(kMarkup, grammar::Matching::kSearch));
      const Dfa rest =
          TRY(grammar::combined(free, markup, grammar::Combine::kFirstWithoutSecond));
      out = listed.empty() ? rest : TRY(grammar::combined(out, rest, grammar::Combine::kEither));
    }
    if (!out.is_empty()) return out;
    return make_error("E0324", fmt::format("every text that fits holds {}", kMarkup),
                      "the calls of this model end a parameter with it: allow other texts");
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
