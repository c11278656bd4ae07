// SPDX-License-Identifier: Apache-2.0
#include "worker/workflow_draft.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/code_fence.h"
#include "base/strings.h"
#include "schema/validator.h"
#include "workflow/loader.h"

namespace weft::worker {
namespace {

constexpr int64_t kDraftTokens = 1500;
constexpr std::string_view kForm = R"({
  "type": "object", "additionalProperties": false, "required": ["title", "inputs", "steps"],
  "properties": {
    "title": {"type": "string", "minLength": 3, "maxLength": 60},
    "inputs": {"type": "array", "minItems": 1, "maxItems": 3,
               "items": {"type": "string", "pattern": "^[a-z]{2,16}$"}},
    "steps": {"type": "array", "minItems": 1, "maxItems": 6, "items": {
      "type": "object", "additionalProperties": false,
      "required": ["does", "text", "choices", "waits"],
      "properties": {
        "does": {"enum": ["think", "choose", "fetch", "approve", "wait", "save"]},
        "text": {"type": "string", "minLength": 1, "maxLength": 160},
        "choices": {"type": "array", "maxItems": 5,
                    "items": {"type": "string", "pattern": "^[a-z]{2,20}$"}},
        "waits": {"type": "boolean"}}}}}})";

// Braces would begin a template: a model's words are never one.
std::string without_braces(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool brace = c == '{' || c == '}';
    const bool control = static_cast<unsigned char>(c) < 0x20;
    out += brace ? '(' : control ? ' ' : c;
  }
  return std::string(trim(out));
}

std::string quoted_yaml(std::string_view text) { return json::dump(json::Value(text)); }

// Behind the words of the language of templates no name may hide.
std::string input_name(std::string_view name) { return fmt::format("the_{}", name); }

struct DraftStep {
  std::string id, does, text;
  std::vector<std::string> choices;
  std::vector<size_t> after;   // steps before it that it depends on
  std::string value;           // how templates name what it gives; empty: nothing
};

std::vector<DraftStep> read_steps(const json::Array& given) {
  std::vector<DraftStep> steps;
  for (const json::Value& value : given) {
    const json::Object& one = value.get_object();
    DraftStep step;
    step.id = fmt::format("step_{}", steps.size() + 1);
    step.does = one.at("does").as_string();
    step.text = without_braces(one.at("text").as_string());
    for (const json::Value& choice : one.at("choices").as_array()) {
      std::string word(choice.as_string());
      if (std::ranges::find(step.choices, word) == step.choices.end()) {
        step.choices.push_back(std::move(word));
      }
    }
    if (step.does == "choose" && step.choices.size() < 2) step.does = "think";
    // The last one brings everything together.
    const bool last = steps.size() + 1 == given.size();
    if (last) {
      for (size_t i = 0; i < steps.size(); ++i) step.after.push_back(i);
    } else if (one.at("waits").as_bool() && !steps.empty()) {
      step.after.push_back(steps.size() - 1);
    }
    if (step.does == "think") step.value = "steps." + step.id;
    if (step.does == "choose") step.value = "steps." + step.id + ".choice";
    if (step.does == "fetch") step.value = "steps." + step.id + ".body";
    if (step.does == "approve") step.value = "steps." + step.id + ".decision";
    steps.push_back(std::move(step));
  }
  return steps;
}

class DraftDocument {
 public:
  DraftDocument(const json::Object& draft, std::string_view wanted)
      : title_(without_braces(draft.at("title").as_string())), wanted_(without_braces(wanted)),
        steps_(read_steps(draft.at("steps").as_array())) {
    for (const json::Value& name : draft.at("inputs").as_array()) {
      std::string given = input_name(name.as_string());
      if (std::ranges::find(inputs_, given) == inputs_.end()) inputs_.push_back(std::move(given));
    }
  }

  std::string text() {
    out_ = fmt::format("# Drafted from: {}\nweft: \"1\"\nid: draft\ntitle: {}\n", wanted_,
                       quoted_yaml(title_));
    write_input();
    out_ += "steps:\n";
    for (const DraftStep& step : steps_) write_step(step);
    const auto last = std::ranges::find_if(steps_.rbegin(), steps_.rend(), [](const auto& step) {
      return !step.value.empty();
    });
    if (last != steps_.rend()) out_ += fmt::format("output: \"{{{{ {} }}}}\"\n", last->value);
    return std::move(out_);
  }

 private:
  void write_input() {
    const bool fetches = std::ranges::any_of(
        steps_, [](const auto& step) { return step.does == "fetch"; });
    std::vector<std::string> names = inputs_;
    if (fetches) names.emplace_back("url");
    out_ += "input:\n  type: object\n  required: [" + join(names, ", ") + "]\n  properties:\n";
    for (const std::string& name : names) out_ += fmt::format("    {}: {{ type: string }}\n", name);
  }

  // What a step reads: the inputs, or what the steps before it gave.
  std::string sources(const DraftStep& step) const {
    std::string out;
    for (const size_t at : step.after) {
      if (!steps_[at].value.empty()) out += fmt::format("\n{{{{ {} }}}}", steps_[at].value);
    }
    if (!out.empty()) return out;
    for (const std::string& name : inputs_) {
      out += fmt::format("\n{}: {{{{ input.{} }}}}", name.substr(4), name);
    }
    return out;
  }

  void write_step(const DraftStep& step) {
    out_ += fmt::format("  - id: {}\n", step.id);
    std::vector<std::string> after;
    for (const size_t at : step.after) after.push_back(steps_[at].id);
    const auto head = [&](std::string_view type) {
      out_ += fmt::format("    type: {}\n", type);
      if (!after.empty()) out_ += "    dependencies: [" + join(after, ", ") + "]\n";
      out_ += "    parameters:\n";
    };
    const auto parameter = [&](std::string_view name, std::string_view text) {
      out_ += fmt::format("      {}: {}\n", name, quoted_yaml(text));
    };
    if (step.does == "think" || step.does == "choose") {
      head("llm");
      parameter("prompt", step.text + "\n" + sources(step));
      if (step.does == "think") return;
      out_ += "      output:\n        type: object\n        additionalProperties: false\n"
              "        required: [choice]\n        properties: { choice: { enum: [";
      std::vector<std::string> words;
      for (const std::string& word : step.choices) words.push_back(quoted_yaml(word));
      out_ += join(words, ", ") + "] } }\n";
    } else if (step.does == "fetch") {
      head("http");
      parameter("url", "{{ input.url }}");
    } else if (step.does == "approve") {
      head("approval");
      parameter("role", "approver");
      parameter("title", step.text);
    } else if (step.does == "wait") {
      head("wait");
      parameter("for", "1m");
    } else {
      head("file");
      parameter("action", "write");
      parameter("path", step.id + ".txt");
      parameter("content", step.text + "\n" + sources(step));
    }
  }

  const std::string title_, wanted_;
  const std::vector<DraftStep> steps_;
  std::vector<std::string> inputs_;
  std::string out_;
};

}  // namespace

json::Value draft_schema() {
  auto form = json::parse(kForm);
  CHECK(form.ok(), "{}", form.error().text());
  return std::move(form).value();
}

std::string draft_instructions() {
  return "Draft a workflow for what the user wants, as JSON. Each step does one of: think (a "
         "language model writes text), choose (a language model picks one of `choices`), fetch "
         "(an HTTP request), approve (a person decides), wait, save (a file). `text` says what is "
         "asked or shown. `waits` is true if the step needs the one before it. `inputs` names "
         "what the workflow is started with.";
}

Result<std::string> document_of_draft(const json::Value& draft, std::string_view wanted) {
  const schema::Schema form = TRY(schema::Schema::parse(draft_schema()));
  if (const auto wrong = schema::validate(form, draft); !wrong.empty()) {
    Error error = schema::violation_error("the draft", wrong);
    error.code = "E0907";
    return error;
  }
  return DraftDocument(draft.get_object(), wanted).text();
}

backend::ChatRequest draft_request(std::string model, std::string_view wanted, uint64_t seed) {
  backend::ChatRequest request;
  request.model = std::move(model);
  request.messages.push_back(
      json::Object{{"role", "system"}, {"content", draft_instructions()}});
  request.messages.push_back(json::Object{{"role", "user"}, {"content", wanted}});
  request.output_schema = draft_schema();
  request.thinking = backend::Thinking::kOff;
  request.max_tokens = kDraftTokens;
  request.seed = seed;
  return request;
}

Result<std::string> drafted_document(std::string_view answer, std::string_view wanted) {
  const auto value = json::parse(without_code_fence(answer));
  if (!value.ok()) {
    return make_error("E0907", "the model's answer is no JSON: " + quoted(answer, 120));
  }
  std::string text = TRY(document_of_draft(*value, wanted));
  // By construction there is nothing to find; if there is, nobody should run it.
  TRY(workflow::load_or_error(text, "the draft"));
  return text;
}

}  // namespace weft::worker
