// SPDX-License-Identifier: Apache-2.0
#include "cli/eval.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <string_view>

#include "base/env.h"
#include "base/file.h"
#include "base/strings.h"
#include "cli/eval_subject.h"
#include "cli/exit.h"
#include "cli/terminal.h"
#include "eval/document.h"

namespace weft::cli {
namespace {

constexpr size_t kCasesBytesMax = size_t{256} << 20;
constexpr size_t kReportBytesMax = size_t{1} << 30;
constexpr int64_t kDrawNs = 100'000'000;

int exit_of_eval(const Error& error) {
  if (error.code == "E0020" || error.code == "E0710") return kExitNotFound;
  if (error.code.starts_with("E092") || error.code == "E0904" || error.code == "E0905" ||
      error.code == "E0616") {
    return kExitUsage;
  }
  constexpr std::array<std::string_view, 3> kConfiguration = {"E0022", "E0214", "E0773"};
  if (std::ranges::find(kConfiguration, error.code) != kConfiguration.end()) {
    return kExitConfiguration;
  }
  const bool configuration = error.code.starts_with("E05") || error.code.starts_with("E095");
  return configuration ? kExitConfiguration : kExitFailed;
}

// "eval 120 of 523, 117 right, 14 s left" on one line that changes; nothing where nobody watches.
class EvalProgress {
 public:
  explicit EvalProgress(size_t total) : total_(total), begin_ns_(real_env().mono_ns()) {}
  void add(const eval::CaseResult& result) {
    const eval::Mark* all = result.mark("$all");
    ++done_;
    right_ += all != nullptr && all->right ? 1 : 0;
    const int64_t now = real_env().mono_ns();
    if (!people_watch() || (now - drawn_ns_ < kDrawNs && done_ < total_)) return;
    drawn_ns_ = now;
    const double passed = static_cast<double>(now - begin_ns_) * 1e-9;
    const double left = passed / static_cast<double>(done_) * static_cast<double>(total_ - done_);
    say_raw(fmt::format("\r\x1b[K{}", painted(fmt::format("eval {} of {}, {} right, {:.0f} s left",
                                                          done_, total_, right_, left),
                                              Colour::kDim)));
  }
  void clear() const {
    if (people_watch() && done_ > 0) say_raw("\r\x1b[K");
  }

 private:
  size_t total_;
  int64_t begin_ns_;
  int64_t drawn_ns_ = 0;
  size_t done_ = 0;
  size_t right_ = 0;
};

// Cases of all files; an id may occur once in a suite, over all of them.
Result<std::vector<eval::Case>> read_all(const EvalOptions& options) {
  std::vector<eval::Case> cases;
  std::map<std::pair<std::string, std::string>, std::string> places;
  for (const std::string& file : options.files) {
    const std::string text = TRY(read_file(file, kCasesBytesMax));
    for (eval::Case& item : TRY(eval::read_cases(text, file))) {
      const auto [at, fresh] = places.try_emplace({item.suite, item.id}, item.place);
      if (!fresh) {
        return make_error("E0920",
                          fmt::format("{}: the id '{}' of suite '{}' is also that of {}",
                                      item.place, item.id, item.suite, at->second),
                          "the same file twice? else give the suites different names");
      }
      cases.push_back(std::move(item));
    }
  }
  return cases;
}

Status keep_suites(std::vector<eval::Case>& cases, const std::vector<std::string>& wanted) {
  if (wanted.empty()) return ok_status();
  std::vector<std::string> known;
  for (const eval::Case& item : cases) {
    if (std::ranges::find(known, item.suite) == known.end()) known.push_back(item.suite);
  }
  for (const std::string& suite : wanted) {
    if (std::ranges::find(known, suite) == known.end()) {
      return make_error("E0904", fmt::format("there is no suite {}", quoted(suite)),
                        name_hint(suite, known));
    }
  }
  std::erase_if(cases, [&](const eval::Case& item) {
    return std::ranges::find(wanted, item.suite) == wanted.end();
  });
  return ok_status();
}

// The first `limit` cases of each suite and language.
void keep_first(std::vector<eval::Case>& cases, int64_t limit) {
  if (limit == 0) return;
  std::map<std::pair<std::string, std::string>, int64_t> counts;
  std::erase_if(cases, [&](const eval::Case& item) {
    return ++counts[{item.suite, item.language}] > limit;
  });
}

// A flag that was given and is about steps alone.
std::optional<std::string_view> flag_of_steps(const Grants& grants) {
  if (!grants.hosts.empty()) return "--allow-host";
  if (!grants.databases.empty()) return "--database";
  if (!grants.mcp.empty()) return "--mcp";
  if (grants.shell) return "--allow-shell";
  if (!grants.smtp.empty()) return "--smtp";
  if (!grants.mail_from.empty()) return "--mail-from";
  return std::nullopt;
}

Status check_options(const EvalOptions& options) {
  const auto wrong = [](std::string message, std::string hint) {
    return make_error("E0904", std::move(message), std::move(hint));
  };
  if (options.think && options.no_think) {
    return wrong("--think and --no-think exclude each other", "give one of them");
  }
  if (options.prompt.find("{}") == std::string::npos) {
    return wrong("--prompt has no {} where the case's input goes",
                 "--prompt \"Customer inquiry: {}\"");
  }
  if (!options.workflow.empty() &&
      (options.think || options.no_think || !options.system.empty() || options.prompt != "{}" ||
       !options.schema.empty() || options.max_tokens || options.temperature)) {
    return wrong("--system, --prompt, --schema, --think, --no-think, --max-tokens and "
                 "--temperature are for a model; a workflow says these itself",
                 "leave them out, or evaluate the model without --workflow");
  }
  const auto needless = options.workflow.empty() ? flag_of_steps(options.grants) : std::nullopt;
  if (needless) {
    return wrong(fmt::format("{} grants something to the steps of a workflow; a model that is "
                             "asked directly has none", *needless),
                 "leave it out, or evaluate a workflow: --workflow FILE");
  }
  return ok_status();
}

int64_t peak_memory_bytes() {
  rusage usage{};
  return ::getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss * 1024 : 0;
}

// What a report is judged against, read before anything runs.
struct Judges {
  std::optional<eval::Baseline> baseline;
  std::vector<eval::Floor> floors;
};

Result<Judges> read_judges(const EvalOptions& options) {
  Judges out;
  if (!options.baseline.empty()) {
    const std::string text = TRY(read_file(options.baseline, kReportBytesMax));
    out.baseline = TRY(eval::read_baseline(text, options.baseline));
  }
  if (!options.require.empty()) {
    const std::string text = TRY(read_file(options.require, kCasesBytesMax));
    out.floors = TRY(eval::read_floors(text, options.require));
  }
  return out;
}

// A report that cannot be written is told before its hours of work, not behind them.
Status check_target(const std::string& path) {
  if (path.empty()) return ok_status();
  std::error_code unknown;
  std::string directory = std::filesystem::path(path).parent_path().string();
  if (directory.empty()) directory = ".";
  if (std::filesystem::is_directory(path, unknown)) {
    return make_error("E0022", fmt::format("cannot write {}: it is a directory", quoted(path)),
                      "name a file in it");
  }
  if (!std::filesystem::is_directory(directory, unknown)) {
    return make_error("E0022", fmt::format("cannot write {}: there is no directory {}",
                                           quoted(path), quoted(directory)),
                      "check the path, or make the directory");
  }
  if (::access(directory.c_str(), W_OK | X_OK) == 0) return ok_status();
  return make_error("E0022", fmt::format("cannot write {}: {}", quoted(path),
                                         std::strerror(errno)),
                    "check the permissions of its directory");
}

void print_report(const EvalOptions& options, const eval::Report& report,
                  const eval::DocumentOptions& parts) {
  if (options.json) {
    json::Object document = eval::to_json(report);
    if (parts.comparison != nullptr) document["comparison"] = eval::to_json(*parts.comparison);
    json::Array floors;
    if (parts.floors != nullptr) {
      for (const eval::FloorOutcome& outcome : *parts.floors) {
        floors.push_back(eval::to_json(outcome));
      }
      document["floors"] = std::move(floors);
    }
    print_data(json::dump(document, {.spaces = true, .indent = 1}));
    return;
  }
  eval::DocumentOptions brief = parts;
  brief.confusions_max = 8;
  brief.mistakes_max = 0;
  brief.details = false;
  print_raw(eval::markdown(eval::make_document(report, brief)));
}

// A file that cannot be written keeps nobody from the other, nor from what is on stdout by now.
Status write_files(const EvalOptions& options, const eval::Report& report,
                   const eval::DocumentOptions& parts) {
  if (options.markdown.empty() && options.html.empty()) return ok_status();
  const eval::Document whole = eval::make_document(report, parts);
  Status first = ok_status();
  if (!options.markdown.empty()) {
    first = write_file_atomic(options.markdown, eval::markdown(whole));
  }
  if (options.html.empty()) return first;
  Status second = write_file_atomic(options.html, eval::html(whole));
  return first.ok() ? second : first;
}

// Says what was missed; the exit code.
int judge(const std::vector<eval::FloorOutcome>& outcomes) {
  int code = kExitOk;
  for (const eval::FloorOutcome& outcome : outcomes) {
    if (outcome.met) continue;
    say(painted("missed: ", Colour::kRed) + eval::floor_text(outcome));
    code = kExitFailed;
  }
  return code;
}

// Prints and writes what was found; the exit code.
Result<int> tell_found(const EvalOptions& options, const eval::Report& report, Judges judges) {
  std::optional<eval::Comparison> comparison;
  if (judges.baseline) comparison = eval::compare(report, std::move(*judges.baseline));
  const bool whole = report.subject.cases_left == 0;  // else no floor can be held to it
  std::vector<eval::FloorOutcome> floors;
  if (whole) floors = eval::check_floors(report, judges.floors);
  const eval::DocumentOptions parts{.comparison = comparison ? &*comparison : nullptr,
                                    .floors = floors.empty() ? nullptr : &floors};
  print_report(options, report, parts);
  TRY(write_files(options, report, parts));
  if (!whole) {
    say(fmt::format("interrupted: {} of {} cases were not run; the report is of the others{}",
                    report.subject.cases_left,
                    report.subject.cases_left + std::ssize(report.cases),
                    judges.floors.empty() ? "" : ", the floors were not looked at"));
    return kExitInterrupted;
  }
  const int code = judge(floors);
  return report.errors == static_cast<int64_t>(report.cases.size()) ? int{kExitFailed} : code;
}

Result<int> evaluate(const EvalOptions& options) {
  TRY(check_options(options));
  TRY(check_target(options.markdown));
  TRY(check_target(options.html));
  Judges judges = TRY(read_judges(options));
  std::vector<eval::Case> cases = TRY(read_all(options));
  TRY(keep_suites(cases, options.suites));
  keep_first(cases, options.limit);

  const int64_t started_us = real_env().wall_us();
  const int64_t begin_ns = real_env().mono_ns();
  EvalProgress progress(cases.size());
  const OnCase on_case = [&](const eval::CaseResult& result) { progress.add(result); };
  auto evaluated = options.workflow.empty() ? evaluate_model(options, cases, on_case)
                                            : evaluate_workflow(options, cases, on_case);
  progress.clear();
  if (!evaluated.ok()) return std::move(evaluated).error();
  if (evaluated->results.empty()) {
    say("interrupted before the first case had ended; no report");
    return kExitInterrupted;
  }
  eval::Subject& subject = evaluated->subject;
  subject.parallel = options.parallel;
  subject.started = iso8601(started_us);
  subject.version = WEFT_VERSION;
  subject.seconds = static_cast<double>(real_env().mono_ns() - begin_ns) * 1e-9;
  subject.peak_memory_bytes = peak_memory_bytes();
  subject.cases_left = std::ssize(cases) - std::ssize(evaluated->results);
  CHECK(evaluated->interrupted == (subject.cases_left > 0), "{} left", subject.cases_left);
  const eval::Report report = eval::make_report(subject, std::move(evaluated->results));
  Result<int> code = tell_found(options, report, std::move(judges));
  if (report.errors > 0) {
    say(fmt::format("{} of {} cases got no answer; the first: {}", report.errors,
                    report.cases.size(), evaluated->first_error));
  }
  return code;
}

}  // namespace

int run_eval(const EvalOptions& options) {
  const Result<int> code = evaluate(options);
  if (code.ok()) return *code;
  say_error(code.error());
  return exit_of_eval(code.error());
}

}  // namespace weft::cli
