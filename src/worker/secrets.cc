// SPDX-License-Identifier: Apache-2.0
#include "worker/secrets.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "base/strings.h"
#include "net/url.h"
#include "worker/run_context.h"
#include "workflow/secret_names.h"

namespace weft::worker {
namespace {

constexpr size_t kBytesMin = 8;   // shorter ones cannot be told from other text
constexpr size_t kSecretFileBytesMax = size_t{64} << 10;
constexpr size_t kPartBytesMin = 4;
constexpr std::string_view kCut = "…";  // where base/strings shortens what it quotes
constexpr std::string_view kHint =
    "declare it in weft.yaml, secrets: { NAME: { env: VARIABLE } }, and start with --config";

std::string mark_of(std::string_view name) { return fmt::format("[secret {}]", name); }

Error secret_missing(std::string message, std::string hint = {}) {
  return make_error("E0633", std::move(message), std::move(hint));
}

void replace_all(std::string& text, std::string_view what, std::string_view by) {
  size_t at = text.find(what);
  if (at == text.npos) return;
  std::string out;
  size_t from = 0;
  for (; at != text.npos; at = text.find(what, from)) {
    out.append(text, from, at - from);
    out += by;
    from = at + what.size();
  }
  out.append(text, from);
  text = std::move(out);
}

// `form`: as forms of pages write it, spaces as plus signs.
std::string as_in_url(std::string_view text, bool lower, bool form) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (plain || (form && c == ' ')) {
      out += plain ? c : '+';
    } else {
      const auto byte = static_cast<uint8_t>(c);
      out += lower ? fmt::format("%{:02x}", byte) : fmt::format("%{:02X}", byte);
    }
  }
  return out;
}

std::string as_in_json(std::string_view text) {
  const std::string quoted_text = json::dump(json::Value(text));
  return quoted_text.substr(1, quoted_text.size() - 2);
}

}  // namespace

json::Object secret_marks(const ToolSettings* settings, const json::Object& run_context) {
  json::Object out;
  if (settings == nullptr || settings->secrets.empty()) return out;
  const RunContext run = run_context_from_json(run_context);
  if (run.proposed) return out;
  for (const auto& [name, source] : settings->secrets) {
    if (source.serves(run.tenant)) out[name] = mark_of(name);
  }
  return out;
}

Status check_secrets(const workflow::Workflow& workflow, const ToolSettings* settings,
                     const json::Object& run_context) {
  const auto wanted = workflow::secret_names(workflow);
  if (wanted.empty()) return ok_status();
  const json::Object marks = secret_marks(settings, run_context);
  std::vector<std::string> names;
  for (const auto& mark : marks) names.emplace_back(mark.key());
  for (const workflow::SecretName& one : wanted) {
    if (marks.contains(one.name)) continue;
    std::string hint = name_hint(one.name, names);
    if (hint.empty()) hint = kHint;
    return secret_missing(fmt::format("{}: there is no secret {}", one.where, quoted(one.name)),
                          std::move(hint));
  }
  return ok_status();
}

Result<std::string> secret_value(const std::string& name, const SecretSource& source) {
  std::string value;
  if (!source.file.empty()) {
    auto text = read_file(source.file, kSecretFileBytesMax);
    if (!text.ok()) {
      return secret_missing(fmt::format("secret {}: {}", quoted(name), text.error().message));
    }
    value = trim(*text);
  } else if (source.value) {
    value = *source.value;
  } else {
    return secret_missing(fmt::format("secret {}: {} was not set when this process started",
                                      quoted(name), source.origin));
  }
  if (value.size() < kBytesMin || invalid_utf8_at(value) || value.find('\0') != value.npos) {
    return secret_missing(
        fmt::format("secret {}: expected UTF-8 text of at least {} bytes in {}, found {}",
                    quoted(name), kBytesMin, source.origin,
                    value.size() < kBytesMin ? fmt::format("{} bytes", value.size())
                                             : std::string("other bytes")),
        "a shorter text could not be kept out of answers and messages");
  }
  return value;
}

Result<std::shared_ptr<const SecretValues>> SecretValues::put_into(StepContext& context) {
  CHECK(context.secret_use != nullptr && !context.secret_use->names.empty(), "no secret is used");
  CHECK(context.services->tools != nullptr, "secrets come out of the settings");
  const auto& known = context.services->tools->secrets;
  auto out = std::make_shared<SecretValues>();
  json::Object values;
  for (const std::string& name : context.secret_use->names) {
    const auto source = known.find(name);
    CHECK(source != known.end(), "the record was rendered with a secret {}", name);
    std::string value = TRY(secret_value(name, source->second));
    out->add(value, mark_of(name));
    values[name] = std::move(value);
    out->sources_.emplace_back(name, source->second);
    out->sources_.back().second.value.reset();
  }
  out->sort();
  auto rendered = context.secret_use->render(values);
  context.secret_use.reset();
  if (!rendered.ok()) return out->redacted(rendered.error());
  CHECK(rendered->is_object(), "parameters of {} are an object", context.path);
  out->add_differences(*rendered, json::Value(context.parameters));
  out->sort();
  context.parameters = std::move(rendered->as_object());
  return std::shared_ptr<const SecretValues>(std::move(out));
}

void SecretValues::add(const std::string& value, const std::string& mark) {
  for (std::string form : {value, as_in_url(value, false, false), as_in_url(value, true, false),
                           as_in_url(value, false, true), as_in_url(value, true, true),
                           as_in_json(value)}) {
    const bool known = std::ranges::any_of(forms_, [&](const Form& f) { return f.text == form; });
    if (!known) forms_.push_back({std::move(form), mark});
  }
}

// What an expression has made of a value (upper case, a part) is as secret as the value.
void SecretValues::add_differences(  // NOLINT(misc-no-recursion): as deep as a document
    const json::Value& sent, const json::Value& kept) {
  if (sent.is_string() && kept.is_string()) {
    const std::string text(sent.get_string());
    if (text == kept.get_string() || redacted(text) == kept.get_string()) return;
    const std::string last = text.substr(text.rfind(' ') + 1);  // "Bearer …"
    if (text.size() >= kBytesMin) add(text, "[secret]");
    if (last.size() >= kBytesMin) add(last, "[secret]");
  } else if (sent.is_array() && kept.is_array() &&
             sent.get_array().size() == kept.get_array().size()) {
    for (size_t i = 0; i < sent.get_array().size(); ++i) {
      add_differences(sent.get_array()[i], kept.get_array()[i]);
    }
  } else if (sent.is_object() && kept.is_object()) {
    static const json::Value kNothing;
    for (const auto& member : sent.get_object()) {
      const json::Value* other = kept.get_object().if_contains(member.key());
      add_differences(member.value(), other != nullptr ? *other : kNothing);
    }
  } else if (sent != kept) {
    add_all(sent);
  }
}

// Nobody can say which part of it came from a secret.
void SecretValues::add_all(const json::Value& sent) {  // NOLINT(misc-no-recursion)
  if (sent.is_array()) {
    for (const json::Value& item : sent.get_array()) add_all(item);
  } else if (sent.is_object()) {
    for (const auto& member : sent.get_object()) add_all(member.value());
  } else {
    const std::string text = sent.is_string() ? std::string(sent.get_string()) : json::dump(sent);
    if (text.size() >= kBytesMin) add(text, "[secret]");
  }
}

void SecretValues::sort() {
  std::ranges::stable_sort(forms_, [](const Form& a, const Form& b) {
    return a.text.size() > b.text.size();
  });
}

Status SecretValues::may_go_to(std::string_view url) const {
  const auto to = net::parse_url(url);
  if (!to.ok()) return redacted(to.error());
  const std::string with_port = fmt::format("{}:{}", to->host, to->port);
  for (const auto& [name, source] : sources_) {
    if (!source.hosts) continue;
    const auto& hosts = *source.hosts;
    const bool good = std::ranges::find(hosts, to->host) != hosts.end() ||
                      std::ranges::find(hosts, with_port) != hosts.end();
    if (good) continue;
    return make_error("E0634", redacted(fmt::format("secret {} may not be sent to {}",
                                                    quoted(name), with_port)),
                      fmt::format("its hosts in weft.yaml are {}", join(hosts, ", ")));
  }
  return ok_status();
}

std::string SecretValues::redacted(std::string text) const {
  for (const Form& form : forms_) replace_all(text, form.text, form.mark);
  return text;
}

// A message may have been shortened in the middle of a value.
std::string SecretValues::redacted_message(std::string text) const {
  text = redacted(std::move(text));
  for (size_t cut = text.find(kCut); cut != text.npos; cut = text.find(kCut, cut + kCut.size())) {
    const std::string_view before = std::string_view(text).substr(0, cut);
    for (const Form& form : forms_) {
      size_t part = std::min(form.text.size() - 1, before.size());
      const std::string_view whole = form.text;
      while (part >= kPartBytesMin && !before.ends_with(whole.substr(0, part))) --part;
      if (part < kPartBytesMin) continue;
      text.replace(cut - part, part, form.mark);
      cut += form.mark.size() - part;
      break;
    }
  }
  return text;
}

json::Value SecretValues::redacted(  // NOLINT(misc-no-recursion): as deep as JSON may be
    const json::Value& value) const {
  if (value.is_string()) return json::Value(redacted(std::string(value.get_string())));
  if (value.is_array()) {
    json::Array out;
    for (const json::Value& item : value.get_array()) out.push_back(redacted(item));
    return out;
  }
  if (!value.is_object()) return value;
  json::Object out;
  for (const auto& member : value.get_object()) {
    out[redacted(std::string(member.key()))] = redacted(member.value());
  }
  return out;
}

Error SecretValues::redacted(const Error& error) const {  // NOLINT(misc-no-recursion): its causes
  Error out = make_error(error.code, redacted_message(error.message), redacted_message(error.hint));
  if (error.cause) out.cause = std::make_shared<const Error>(redacted(*error.cause));
  return out;
}

net::Response SecretValues::redacted(net::Response response) const {
  for (net::Header& header : response.headers) {
    header.name = redacted(std::move(header.name));
    header.value = redacted(std::move(header.value));
  }
  response.body = redacted(std::move(response.body));
  response.url = redacted(std::move(response.url));
  return response;
}

StepOutcome SecretValues::redacted(StepOutcome outcome) const {
  if (auto* result = std::get_if<StepResult>(&outcome)) result->output = redacted(result->output);
  if (auto* failure = std::get_if<StepFailure>(&outcome)) {
    failure->error = redacted(failure->error);
  }
  if (auto* unknown = std::get_if<StepUnknown>(&outcome)) {
    unknown->error = redacted(unknown->error);
  }
  return outcome;
}

}  // namespace weft::worker
