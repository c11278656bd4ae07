// SPDX-License-Identifier: Apache-2.0
#include "eval/compare.h"

#include <fmt/format.h>

namespace weft::eval {
namespace {

Error bad_report(const std::string& file, std::string message) {
  return make_error("E0921", fmt::format("{}: {}", file, message),
                    "give a file that `weft eval … --json > report.json` wrote");
}

Status read_case(const json::Value& value, Baseline& out) {
  const json::Object* item = value.if_object();
  if (item == nullptr) return make_error("E0921", "a case is not an object");
  std::string suite = TRY(json::require_string(*item, "suite", "case"));
  std::string id = TRY(json::require_string(*item, "id", "case"));
  const json::Value* marks = TRY(json::require(*item, "marks", "case"));
  if (!marks->is_object()) return make_error("E0921", fmt::format("case '{}': marks", id));
  std::map<std::string, bool> read;
  for (const auto& mark : marks->as_object()) {
    if (!mark.value().is_bool()) {
      return make_error("E0921", fmt::format("case '{}': a mark should be true or false", id));
    }
    read[std::string(mark.key())] = mark.value().as_bool();
  }
  const bool fresh = out.cases.emplace(std::pair(suite, id), std::move(read)).second;
  if (!fresh) return make_error("E0921", fmt::format("case '{}' occurs twice", id));
  return ok_status();
}

// Every share that a case counts for.
std::vector<ShareKey> keys_of(const CaseResult& result, const std::string& measure) {
  std::vector<ShareKey> keys;
  for (const std::string& suite : {std::string(), result.suite}) {
    keys.push_back({suite, "", measure});
    if (!result.language.empty()) keys.push_back({suite, result.language, measure});
  }
  return keys;
}

json::Object share_json(const Share& share) {
  return {{"right", share.right}, {"total", share.total}, {"share", share.value()}};
}

}  // namespace

Result<Baseline> read_baseline(std::string_view text, const std::string& file) {
  auto value = json::parse(text);
  if (!value.ok()) return bad_report(file, value.error().message);
  const json::Object* report = value->if_object();
  const json::Value* format = report ? report->if_contains("format") : nullptr;
  if (format == nullptr || !format->is_string() ||
      std::string_view(format->as_string()) != kReportFormat) {
    return bad_report(file, fmt::format("expected \"format\": \"{}\"", kReportFormat));
  }
  Baseline out;
  const json::Value* subject = report->if_contains("subject");
  if (subject != nullptr && subject->is_object()) {
    if (auto name = json::require_string(subject->as_object(), "name", file); name.ok()) {
      out.name = *name;
    }
    if (auto at = json::require_string(subject->as_object(), "started", file); at.ok()) {
      out.started = *at;
    }
  }
  const json::Value* cases = report->if_contains("cases");
  if (cases == nullptr || !cases->is_array()) return bad_report(file, "it has no list 'cases'");
  for (const json::Value& item : cases->as_array()) {
    if (Status read = read_case(item, out); !read.ok()) {
      return bad_report(file, read.error().message);
    }
  }
  return out;
}

Comparison compare(const Report& report, Baseline baseline) {
  Comparison out;
  out.baseline = std::move(baseline);
  std::map<ShareKey, Difference> differences;
  for (const CaseResult& result : report.cases) {
    const auto at = out.baseline.cases.find({result.suite, result.id});
    if (at == out.baseline.cases.end()) {
      ++out.only_now;
      continue;
    }
    ++out.pairs;
    ChangedCase changed{&result, {}, {}};
    for (const Mark& mark : result.marks) {
      const auto before = at->second.find(mark.measure);
      if (before == at->second.end()) continue;
      for (const ShareKey& key : keys_of(result, mark.measure)) {
        Difference& difference = differences[key];
        ++difference.before.total;
        ++difference.now.total;
        difference.before.right += before->second ? 1 : 0;
        difference.now.right += mark.right ? 1 : 0;
        difference.fixed += mark.right && !before->second ? 1 : 0;
        difference.broken += !mark.right && before->second ? 1 : 0;
      }
      if (mark.right && !before->second) changed.fixed.push_back(mark.measure);
      if (!mark.right && before->second) changed.broken.push_back(mark.measure);
    }
    if (!changed.fixed.empty() || !changed.broken.empty()) out.changed.push_back(changed);
  }
  out.only_before = static_cast<int64_t>(out.baseline.cases.size()) - out.pairs;
  for (auto& [key, difference] : differences) {
    difference.key = key;
    difference.p = mcnemar(difference.fixed, difference.broken);
    out.differences.push_back(std::move(difference));
  }
  return out;
}

json::Object to_json(const Comparison& comparison) {
  json::Array differences;
  for (const Difference& d : comparison.differences) {
    differences.push_back(json::Object{{"suite", d.key.suite},
                                       {"language", d.key.language},
                                       {"measure", d.key.measure},
                                       {"before", share_json(d.before)},
                                       {"now", share_json(d.now)},
                                       {"fixed", d.fixed},
                                       {"broken", d.broken},
                                       {"p", d.p}});
  }
  return {{"baseline", comparison.baseline.name},
          {"started", comparison.baseline.started},
          {"pairs", comparison.pairs},
          {"only_before", comparison.only_before},
          {"only_now", comparison.only_now},
          {"differences", std::move(differences)}};
}

}  // namespace weft::eval
