// SPDX-License-Identifier: Apache-2.0
#include "cli/tokenize.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "base/json.h"
#include "base/strings.h"
#include "cli/exit.h"
#include "cli/lines.h"
#include "cli/terminal.h"
#include "runtime/model_instance.h"

namespace weft::cli {
namespace {

using AddedTokens = text::Tokenizer::AddedTokens;

Error bad_request(std::string message) {
  return make_error("E0910", std::move(message),
                    "send {\"text\": …} to encode or {\"ids\": […]} to decode");
}

Result<bool> flag(const json::Object& request, std::string_view name) {
  const json::Value* value = request.if_contains(name);
  if (value == nullptr) return false;
  if (!value->is_bool()) {
    return bad_request(
        fmt::format("{}: expected true or false, found {}", name, json::kind_name(*value)));
  }
  return value->get_bool();
}

Status check_fields(const json::Object& request, const std::vector<std::string>& known) {
  for (const auto& member : request) {
    const std::string name(member.key());
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    return make_error("E0910", fmt::format("unknown field {}", quoted(name)),
                      name_hint(name, known));
  }
  return ok_status();
}

Result<std::string> encode(const text::Tokenizer& tokenizer, const json::Object& request) {
  TRY(check_fields(request, {"text", "untrusted", "specials_as_text"}));
  const json::Value& text = request.at("text");
  if (!text.is_string()) {
    return bad_request(fmt::format("text: expected a string, found {}", json::kind_name(text)));
  }
  const bool untrusted = TRY(flag(request, "untrusted"));
  const bool specials_as_text = TRY(flag(request, "specials_as_text"));
  const AddedTokens mode = untrusted          ? AddedTokens::kNone
                           : specials_as_text ? AddedTokens::kSpecialsAsText
                                              : AddedTokens::kAll;
  const auto ids = tokenizer.encode(std::string_view(text.get_string()), mode);
  return fmt::format("{{\"ids\":[{}]}}", fmt::join(ids, ","));
}

Result<std::string> decode(const text::Tokenizer& tokenizer, const json::Object& request) {
  TRY(check_fields(request, {"ids", "skip_special"}));
  const json::Value& list = request.at("ids");
  if (!list.is_array()) {
    return bad_request(fmt::format("ids: expected an array, found {}", json::kind_name(list)));
  }
  const bool skip_special = TRY(flag(request, "skip_special"));
  std::vector<text::TokenId> ids;
  ids.reserve(list.get_array().size());
  for (const json::Value& id : list.get_array()) {
    if (!id.is_int64() || id.get_int64() < 0 ||
        static_cast<uint64_t>(id.get_int64()) >= tokenizer.size()) {
      return bad_request(fmt::format("ids[{}]: expected an integer from 0 to {}, found {}",
                                     ids.size(), tokenizer.size() - 1, json::dump(id)));
    }
    ids.push_back(static_cast<text::TokenId>(id.get_int64()));
  }
  return field_line("text", tokenizer.decode(ids, skip_special));
}

}  // namespace

Result<std::string> answer_tokenize_line(const text::Tokenizer& tokenizer, std::string_view line) {
  const json::Value request = TRY(json::parse(line));
  if (!request.is_object()) {
    return bad_request(fmt::format("expected an object, found {}", json::kind_name(request)));
  }
  const json::Object& object = request.get_object();
  const bool encodes = object.contains("text");
  if (encodes == object.contains("ids")) {
    return bad_request(encodes ? "both text and ids are given" : "neither text nor ids is given");
  }
  return encodes ? encode(tokenizer, object) : decode(tokenizer, object);
}

namespace {

Result<text::Tokenizer> load_tokenizer(const std::string& model) {
  model::ModelFiles files = TRY(runtime::model_files_named(model));
  return text::Tokenizer::parse(TRY(files.read("tokenizer.json")));
}

}  // namespace

int run_tokenize(const TokenizeOptions& options) {
  const auto tokenizer = load_tokenizer(options.model);
  if (!tokenizer.ok()) {
    say_error(tokenizer.error());
    const std::string& code = tokenizer.error().code;
    return code == "E0213" || code == "E0710" ? kExitNotFound : kExitConfiguration;
  }
  return answer_lines(
      [&](std::string_view line) { return answer_tokenize_line(*tokenizer, line); });
}

}  // namespace weft::cli
