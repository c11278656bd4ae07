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
constexpr double kDraftTemperature = 0.8;  // where a seed asks for another draft
constexpr size_t kRefusedBytesMax = 4000;  // of an answer that goes back to the model
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
        "does": {"enum": ["think", "choose", "fetch", "approve", "wait", "save",
                          "lookup", "chat", "email", "webhook", "agent"]},
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

// What templates call the result of a step that has one worth telling.
std::string value_of_step(const DraftStep& step) {
  const std::string name = "steps." + step.id;
  if (step.does == "think" || step.does == "agent") return name;
  if (step.does == "choose") return name + ".choice";
  if (step.does == "fetch") return name + ".body";
  if (step.does == "approve") return name + ".decision";
  if (step.does == "lookup") return name + ".rows";
  return {};
}

// Where messages of a kind go: a channel and the input that says to whom.
struct DraftChannel {
  std::string_view does, input;
};
constexpr DraftChannel kDraftChannels[] = {
    {"chat", "chat_url"}, {"email", "email"}, {"webhook", "webhook_url"}};

const DraftChannel* channel_of(const DraftStep& step) {
  const auto* found = std::ranges::find(kDraftChannels, step.does, &DraftChannel::does);
  return found != std::end(kDraftChannels) ? found : nullptr;
}

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
    if (step.does == "agent" && step.choices.empty()) step.choices.emplace_back("information");
    // The last one brings everything together.
    const bool last = steps.size() + 1 == given.size();
    if (last) {
      for (size_t i = 0; i < steps.size(); ++i) step.after.push_back(i);
    } else if (one.at("waits").as_bool() && !steps.empty()) {
      step.after.push_back(steps.size() - 1);
    }
    step.value = value_of_step(step);
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
    write_tools();
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
    std::vector<std::string> names = inputs_;
    const auto add = [&](std::string_view name) {
      if (std::ranges::find(names, name) == names.end()) names.emplace_back(name);
    };
    for (const DraftStep& step : steps_) {
      if (step.does == "fetch") add("url");
      if (step.does == "agent") add("tools_url");
      if (const DraftChannel* channel = channel_of(step)) add(channel->input);
    }
    out_ += "input:\n  type: object\n  required: [" + join(names, ", ") + "]\n  properties:\n";
    for (const std::string& name : names) out_ += fmt::format("    {}: {{ type: string }}\n", name);
  }

  // Each word that an agent may choose from is a tool that reads.
  void write_tools() {
    std::vector<std::string> declared;
    for (const DraftStep& step : steps_) {
      for (const std::string& word : step.does == "agent" ? step.choices
                                                          : std::vector<std::string>()) {
        if (std::ranges::find(declared, word) != declared.end()) continue;
        if (declared.empty()) out_ += "tools:\n";
        declared.push_back(word);
        out_ += fmt::format(
            "  - name: get_{0}\n"
            "    description: Finds {0}\n"
            "    parameters:\n"
            "      type: object\n"
            "      additionalProperties: false\n"
            "      required: [about]\n"
            "      properties: {{ about: {{ type: string, minLength: 1, maxLength: 200 }} }}\n"
            "    step:\n"
            "      type: http\n"
            "      parameters:\n"
            "        url: \"{{{{ input.tools_url }}}}/{0}\"\n"
            "        query: {{ about: \"{{{{ args.about }}}}\" }}\n"
            "      output_as: \"{{{{ output.body }}}}\"\n", word);
      }
    }
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

  void head(const DraftStep& step, std::string_view type) {
    out_ += fmt::format("    type: {}\n", type);
    std::vector<std::string> after;
    for (const size_t at : step.after) after.push_back(steps_[at].id);
    if (!after.empty()) out_ += "    dependencies: [" + join(after, ", ") + "]\n";
    out_ += "    parameters:\n";
  }

  void parameter(std::string_view name, std::string_view text) {
    out_ += fmt::format("      {}: {}\n", name, quoted_yaml(text));
  }

  void write_step(const DraftStep& step) {
    out_ += fmt::format("  - id: {}\n", step.id);
    if (step.does == "think" || step.does == "choose") {
      write_llm(step);
    } else if (step.does == "agent") {
      write_agent(step);
    } else if (step.does == "lookup") {
      write_lookup(step);
    } else if (const DraftChannel* channel = channel_of(step)) {
      head(step, "notification");
      parameter("channel", channel->does);
      parameter("to", fmt::format("{{{{ input.{} }}}}", channel->input));
      if (step.does == "email") parameter("subject", title_);
      parameter("text", step.text + "\n" + sources(step));
    } else if (step.does == "fetch") {
      head(step, "http");
      parameter("url", "{{ input.url }}");
    } else if (step.does == "approve") {
      head(step, "approval");
      parameter("role", "approver");
      parameter("title", step.text);
    } else if (step.does == "wait") {
      head(step, "wait");
      parameter("for", "1m");
    } else {
      head(step, "file");
      parameter("action", "write");
      parameter("path", step.id + ".txt");
      parameter("content", step.text + "\n" + sources(step));
    }
  }

  void write_llm(const DraftStep& step) {
    head(step, "llm");
    parameter("prompt", step.text + "\n" + sources(step));
    if (step.does == "think") return;
    out_ += "      output:\n        type: object\n        additionalProperties: false\n"
            "        required: [choice]\n        properties: { choice: { enum: [";
    std::vector<std::string> words;
    for (const std::string& word : step.choices) words.push_back(quoted_yaml(word));
    out_ += join(words, ", ") + "] } }\n";
  }

  void write_agent(const DraftStep& step) {
    head(step, "agent");
    parameter("goal", step.text + "\n" + sources(step));
    std::vector<std::string> tools;
    for (const std::string& word : step.choices) tools.push_back("get_" + word);
    out_ += "      tools: [" + join(tools, ", ") + "]\n      max_turns: 4\n";
  }

  // No model writes SQL here: it is the user's to fill in.
  void write_lookup(const DraftStep& step) {
    out_ += fmt::format("    # {}: write the query; grant it: --database data=sqlite:FILE\n",
                        step.text);
    head(step, "database");
    parameter("connection", "data");
    parameter("query", "select * from items where id = :id");
    out_ += fmt::format("      args: {{ id: \"{{{{ input.{} }}}}\" }}\n", inputs_.front());
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
         "(an HTTP request), approve (a person decides), wait, save (a file), lookup (a database), "
         "chat, email, webhook (somebody is told), agent (a language model that looks things up; "
         "`choices` names what). `text` says what is asked or shown. `waits` is true if the step "
         "needs the one before it. `inputs` names what the workflow is started with.";
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

backend::ChatRequest draft_request(std::string model, std::string_view wanted,
                                   std::optional<uint64_t> seed) {
  backend::ChatRequest request;
  request.model = std::move(model);
  request.messages.push_back(
      json::Object{{"role", "system"}, {"content", draft_instructions()}});
  request.messages.push_back(json::Object{{"role", "user"}, {"content", wanted}});
  request.output_schema = draft_schema();
  request.thinking = backend::Thinking::kOff;
  request.max_tokens = kDraftTokens;
  request.seed = seed.value_or(1);
  if (seed) request.temperature = kDraftTemperature;
  return request;
}

void tell_draft_refused(backend::ChatRequest& request, std::string_view answer,
                        const Error& error) {
  std::string said(answer.substr(0, kRefusedBytesMax));
  if (const auto bad = invalid_utf8_at(said)) said.resize(*bad);
  request.messages.push_back(json::Object{{"role", "assistant"}, {"content", said}});
  request.messages.push_back(json::Object{
      {"role", "user"},
      {"content", fmt::format("That is no draft: {}. Answer with nothing but one JSON object that "
                              "fits this JSON Schema: {}",
                              error.message, json::dump(request.output_schema))}});
}

std::string undrafted_document(std::string_view wanted) {
  const auto step = [](std::string_view does, std::string_view text) {
    return json::Object{{"does", does}, {"text", text}, {"choices", json::Array()},
                        {"waits", true}};
  };
  const json::Value form = json::Object{
      {"title", "To be filled in"},
      {"inputs", json::Array{"request"}},
      {"steps", json::Array{step("think", "Say here what a model should do with the request."),
                            step("approve", "Is this right?")}}};
  auto text = document_of_draft(form, wanted);
  CHECK(text.ok(), "{}", text.error().text());
  text->insert(text->find('\n') + 1,
               "# The model gave no draft that fits. This is a frame to fill in: what starts it\n"
               "# (input), what each step does, and the steps that are missing.\n");
  return std::move(*text);
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
