// SPDX-License-Identifier: Apache-2.0
//
// file: read, write, append, delete, list, parse below the run's roots.
//
//   {action: read, path}                            -> text
//   {action: parse, path, format: json|csv|text|pdf} -> value | rows | lines | text; by extension
//   {action: list, path}                            -> [{name, kind, bytes}]
//   {action: write | append, path, content}         -> {path, bytes}; content that is no text is
//                                                      written as JSON
//   {action: delete, path}                          -> {path, deleted}
#include <algorithm>
#include <atomic>

#include "base/strings.h"
#include "worker/acts.h"
#include "worker/blocking_activity.h"
#include "worker/csv.h"
#include "worker/rooted_files.h"
#include "worker/run_context.h"
#include "worker/sandbox.h"
#include "worker/step_types.h"

namespace weft::worker {
namespace {

constexpr size_t kFileBytesMax = size_t{10} << 20;  // as the output of an expression
constexpr size_t kEntriesMax = 100'000;
constexpr size_t kPdfBytesMax = size_t{50} << 20;
constexpr int64_t kPdfMs = 30'000;

struct FileRequest {
  std::string action = {};
  std::string path = {};
  std::string format = {};
  std::string content = {};
  char separator = ',';
  bool header = true;
  std::string key = {};
  uint32_t attempt = 1;
  const std::atomic<bool>* stop = nullptr;  // of the sandbox, for PDF
};

Result<std::string> content_of(const json::Object& parameters) {
  const json::Value* content = parameters.if_contains("content");
  if (content == nullptr) return wrong_parameter("content", "what to write", "nothing");
  if (content->is_string()) return std::string(content->as_string());
  return json::dump(*content, {.spaces = true, .indent = 2}) + "\n";
}

Result<std::string> format_of(const json::Object& parameters, const std::string& path) {
  const std::string known[] = {"csv", "json", "text", "pdf"};
  if (path.ends_with(".pdf") && !parameters.contains("format")) return std::string("pdf");
  const bool csv = path.ends_with(".csv");
  const bool json_file = path.ends_with(".json");
  std::string format = TRY(
      text_parameter_or(parameters, "format", csv ? "csv" : json_file ? "json" : "text"));
  if (std::find(std::begin(known), std::end(known), format) != std::end(known)) return format;
  return wrong_parameter("format", "csv, json, text or pdf", quoted(format),
                         name_hint(format, known));
}

Result<FileRequest> read_request(const StepContext& context) {
  const json::Object& parameters = context.parameters;
  const std::string actions[] = {"read", "parse", "list", "write", "append", "delete"};
  const std::string known[] = {"action", "path", "content", "format", "separator", "header"};
  TRY(only_parameters(parameters, known));
  FileRequest request{.action = TRY(text_parameter(parameters, "action"))};
  if (std::find(std::begin(actions), std::end(actions), request.action) == std::end(actions)) {
    return wrong_parameter("action", "read, parse, list, write, append or delete",
                           quoted(request.action), name_hint(request.action, actions));
  }
  request.path = TRY(text_parameter(parameters, "path"));
  request.key = context.effect_key;
  request.attempt = context.attempt;
  if (request.action == "write" || request.action == "append") {
    request.content = TRY(content_of(parameters));
  }
  if (request.action == "parse") request.format = TRY(format_of(parameters, request.path));
  const std::string separator = TRY(text_parameter_or(parameters, "separator", ","));
  if (separator.size() != 1 || separator[0] == '"' || separator[0] == '\n') {
    return wrong_parameter("separator", "one character", quoted(separator));
  }
  request.separator = separator[0];
  if (const json::Value* header = parameters.if_contains("header")) {
    if (!header->is_bool()) {
      return wrong_parameter("header", "true or false", std::string(json::kind_name(*header)));
    }
    request.header = header->as_bool();
  }
  return request;
}

Result<std::string> read_text(const RootedFiles& files, const FileRequest& request) {
  std::string text = TRY(files.read(request.path, kFileBytesMax));
  if (const auto at = invalid_utf8_at(text)) {
    return make_error("E0605", fmt::format("{} is not UTF-8 text: byte {} does not fit",
                                           quoted(request.path, 200), *at),
                      "convert it first, for example with iconv");
  }
  return text;
}

// A parser of what strangers sent is never let near this process: it runs in the sandbox.
Result<json::Value> pdf_text(const RootedFiles& files, const FileRequest& request) {
  SandboxRequest reader{.command = {"/usr/bin/pdftotext", "-enc", "UTF-8", "-", "-"}};
  reader.input = TRY(files.read(request.path, kPdfBytesMax));
  reader.output_bytes_max = kFileBytesMax;
  reader.timeout_ms = kPdfMs;
  reader.stop = request.stop;
  SandboxResult done = TRY(run_sandboxed(reader));
  if (done.exit_code == 0 && !invalid_utf8_at(done.output)) return json::Value(done.output);
  return make_error("E0605", fmt::format("{} cannot be read as a PDF: {}",
                                         quoted(request.path, 200),
                                         quoted(trim(done.error_output), 200)));
}

Result<json::Value> parse(const RootedFiles& files, const FileRequest& request) {
  if (request.format == "pdf") return pdf_text(files, request);
  const std::string text = TRY(read_text(files, request));
  if (request.format == "json") {
    auto value = json::parse(text);
    if (!value.ok()) return in_context(std::move(value).error(), request.path);
    return value;
  }
  if (request.format == "csv") {
    auto rows = parse_csv(text, {.separator = request.separator, .header = request.header});
    if (!rows.ok()) return in_context(std::move(rows).error(), request.path);
    return json::Value(std::move(rows).value());
  }
  json::Array lines;
  for (std::string_view line : split(text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
  }
  if (!lines.empty() && lines.back().as_string().empty()) lines.pop_back();  // final line feed
  return json::Value(std::move(lines));
}

Result<json::Value> perform(const RootedFiles& files, const FileRequest& request) {
  const auto size = static_cast<int64_t>(request.content.size());
  if (request.action == "read") return json::Value(TRY(read_text(files, request)));
  if (request.action == "parse") return parse(files, request);
  if (request.action == "write") {
    TRY(files.write(request.path, request.content, request.key, request.attempt));
    return json::Value(json::Object{{"path", request.path}, {"bytes", size}});
  }
  if (request.action == "append") {
    TRY(files.append(request.path, request.content));
    return json::Value(json::Object{{"path", request.path}, {"bytes", size}});
  }
  if (request.action == "delete") {
    const bool deleted = TRY(files.remove(request.path));
    return json::Value(json::Object{{"path", request.path}, {"deleted", deleted}});
  }
  CHECK(request.action == "list", "action {}", request.action);
  json::Array entries;
  for (const auto& entry : TRY(files.list(request.path, kEntriesMax))) {
    entries.push_back(
        json::Object{{"name", entry.name}, {"kind", entry.kind}, {"bytes", entry.bytes}});
  }
  return json::Value(std::move(entries));
}

class FileStep final : public StepType {
 public:
  std::string_view name() const override { return "file"; }
  EffectClass effect(const json::Object& parameters, const workflow::Step&) const override {
    const json::Value* action = parameters.if_contains("action");
    if (action == nullptr || !action->is_string()) return EffectClass::kPure;  // start() refuses
    const std::string_view word = action->as_string();
    if (word == "append" || word == "delete") return EffectClass::kUnsafe;
    return word == "write" ? EffectClass::kKeyed : EffectClass::kPure;
  }
  std::optional<ActTarget> target(const json::Object& parameters) const override {
    const std::string action = word_of(parameters, "action");
    const bool changes = action == "write" || action == "append" || action == "delete";
    return ActTarget{fmt::format("{} {}", action, word_of(parameters, "path")), changes};
  }
  // Reading changes nothing and is done.
  Rehearsed rehearse(const StepContext& context) const override {
    const auto request = read_request(context);
    if (!request.ok()) return Rehearsed(request.error());
    const auto size = static_cast<int64_t>(request->content.size());
    json::Object out{{"path", request->path}};
    if (request->action == "delete") {
      out["deleted"] = true;
    } else if (request->action == "write" || request->action == "append") {
      out["bytes"] = size;
    } else {
      return std::nullopt;
    }
    return Rehearsed(std::move(out));
  }
  Started start(StepContext context, StepDone done) const override {
    auto request = read_request(context);
    if (!request.ok()) return failed(std::move(request).error(), false);
    RootedFiles files(run_context_from_json(*context.run_context).roots);
    StepPools& pools = context.services->pools;
    Pool& pool = request->format == "pdf" ? pools.commands : pools.files;
    return on_pool(pool, std::move(done),
                   [files = std::move(files), request = std::move(*request)](
                       const std::atomic<bool>& stop) mutable -> StepOutcome {
                     request.stop = &stop;
                     auto value = perform(files, request);
                     if (value.ok()) return StepResult{std::move(value).value(), {}};
                     // Outside the roots stays outside; what the disk refused may go better later.
                     const bool retryable =
                         value.error().code == "E0605" && request.format != "pdf";
                     return StepFailure{std::move(value).error(), retryable, 0};
                   });
  }
};

}  // namespace

const StepType& file_step() {
  static const FileStep step;
  return step;
}

}  // namespace weft::worker
