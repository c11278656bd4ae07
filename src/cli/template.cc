// SPDX-License-Identifier: Apache-2.0
#include "cli/template.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "cli/exit.h"
#include "cli/lines.h"
#include "cli/terminal.h"
#include "model/files.h"
#include "runtime/model_instance.h"

namespace weft::cli {
namespace {

using Time = text::RenderOptions::Time;

Error bad_line(std::string message) {
  return make_error("E0911", std::move(message),
                    "send {\"messages\": […]} and what else the template needs");
}

// "2026-01-15 09:30:00" or with a T between.
Result<Time> time_of(const json::Value& value) {
  const Error wrong =
      bad_line("now: expected a text YYYY-MM-DD HH:MM:SS, found " + json::dump(value));
  if (!value.is_string() || value.get_string().size() != 19) return wrong;
  const std::string_view text = value.get_string();
  Time out;
  const std::pair<size_t, int*> fields[] = {{0, &out.year},  {5, &out.month},   {8, &out.day},
                                            {11, &out.hour}, {14, &out.minute}, {17, &out.second}};
  for (const auto& [at, field] : fields) {
    const char* end = text.data() + at + (at == 0 ? 4 : 2);
    const auto [stop, ec] = std::from_chars(text.data() + at, end, *field);
    if (ec != std::errc() || stop != end || *field < 0) return wrong;
  }
  const bool marks = text[4] == '-' && text[7] == '-' && (text[10] == ' ' || text[10] == 'T') &&
                     text[13] == ':' && text[16] == ':';
  const bool ranges = out.month >= 1 && out.month <= 12 && out.day >= 1 && out.day <= 31 &&
                      out.hour < 24 && out.minute < 60 && out.second < 61;
  if (!marks || !ranges) return wrong;
  return out;
}

Status check_request_fields(const json::Object& request) {
  static const std::vector<std::string> kFields = {
      "messages", "tools", "documents", "add_generation_prompt", "kwargs", "variables", "now"};
  for (const auto& member : request) {
    const std::string name(member.key());
    if (std::find(kFields.begin(), kFields.end(), name) != kFields.end()) continue;
    return make_error("E0911", fmt::format("unknown field {}", quoted(name)),
                      name_hint(name, kFields) + "; variables of the template go into kwargs");
  }
  for (const std::string_view field : {"kwargs", "variables"}) {
    const json::Value* value = request.if_contains(field);
    if (value && !value->is_object()) {
      return bad_line(
          fmt::format("{}: expected an object, found {}", field, json::kind_name(*value)));
    }
  }
  const json::Value* messages = request.if_contains("messages");
  if (messages == nullptr || !messages->is_array()) return bad_line("messages: expected a list");
  return ok_status();
}

Result<chat::ChatTemplate> load_template(const TemplateOptions& options) {
  model::ModelFiles files = TRY(runtime::model_files_named(options.model));
  std::optional<std::string> source;
  if (!options.template_file.empty()) {
    source = TRY(read_file(options.template_file, size_t{16} << 20));
  } else if (files.has("chat_template.jinja")) {
    source = std::string(TRY(files.read("chat_template.jinja")));
  }
  if (source && !files.has("tokenizer_config.json")) {
    return chat::ChatTemplate::parse(*std::move(source), {});
  }
  return chat::ChatTemplate::from_config(TRY(files.read("tokenizer_config.json")),
                                         std::move(source));
}

}  // namespace

Result<std::string> answer_template_line(const chat::ChatTemplate& chat, std::string_view line) {
  // Twice: once for the fields, once with every number as it is written.
  const json::Value request = TRY(json::parse(line));
  if (!request.is_object()) {
    return bad_line(fmt::format("expected an object, found {}", json::kind_name(request)));
  }
  TRY(check_request_fields(request.get_object()));
  const text::Variables given = TRY(text::Variables::parse(line));
  text::Variables variables;
  variables.set("tools", nullptr);
  variables.set("documents", nullptr);
  variables.set("add_generation_prompt", false);
  variables.merge(given.only({"messages", "tools", "documents", "add_generation_prompt"}));
  variables.merge(given.members_of("kwargs"));
  if (const json::Value* specials = request.get_object().if_contains("variables")) {
    variables.merge(given.members_of("variables"));
    for (const auto& [name, value] : specials->get_object()) {
      if (value.is_string()) variables.set_markup(name, std::string(value.get_string()));
    }
  }
  text::RenderOptions options;
  const json::Value* now = request.get_object().if_contains("now");
  if (now && !now->is_null()) options.now = TRY(time_of(*now));
  return field_line("text", TRY(chat.render(variables, options)).text);
}

int run_template(const TemplateOptions& options) {
  const auto chat = load_template(options);
  if (!chat.ok()) {
    say_error(chat.error());
    const bool absent = chat.error().code == "E0020" || chat.error().code == "E0213";
    return absent ? kExitNotFound : kExitConfiguration;
  }
  return answer_lines([&](std::string_view line) { return answer_template_line(*chat, line); });
}

}  // namespace weft::cli
