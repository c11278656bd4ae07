// SPDX-License-Identifier: Apache-2.0
#include "eval/floors.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"

namespace weft::eval {
namespace {

constexpr std::string_view kFloorsFormat = "weft-eval-floors/1";
constexpr std::string_view kMedian = "seconds median";
constexpr std::string_view kP99 = "seconds p99";
const std::vector<std::string> kFloorMembers = {"suite", "language", "measure", "at_least",
                                                "at_most"};

Error bad_floors(std::string message, std::string hint = {}) {
  return make_error("E0922", std::move(message), std::move(hint));
}

bool is_time(std::string_view measure) { return measure == kMedian || measure == kP99; }

Result<std::string> floor_text(const json::Object& object, std::string_view member) {
  const json::Value* value = object.if_contains(member);
  if (value == nullptr) return std::string();
  if (!value->is_string()) {
    return bad_floors(fmt::format("'{}' should be text, found {}", member,
                                  json::kind_name(*value)));
  }
  return std::string(value->as_string());
}

Result<Floor> floor_of(const json::Value& value) {
  const json::Object* object = value.if_object();
  if (object == nullptr) {
    return bad_floors(fmt::format("should be an object, found {}", json::kind_name(value)));
  }
  for (const auto& member : *object) {
    const std::string name(member.key());
    if (std::ranges::find(kFloorMembers, name) == kFloorMembers.end()) {
      return bad_floors(fmt::format("has no member {}", quoted(name)),
                        name_hint(name, kFloorMembers));
    }
  }
  Floor out;
  out.key.suite = TRY(floor_text(*object, "suite"));
  out.key.language = TRY(floor_text(*object, "language"));
  out.key.measure = TRY(floor_text(*object, "measure"));
  if (out.key.measure.empty()) {
    return bad_floors("'measure' is missing", "a field of the cases, $call, $valid or $all");
  }
  const json::Value* least = object->if_contains("at_least");
  const json::Value* most = object->if_contains("at_most");
  if ((least == nullptr) == (most == nullptr)) {
    return bad_floors("expected either 'at_least' or 'at_most'");
  }
  const json::Value& limit = least != nullptr ? *least : *most;
  if (!limit.is_number()) {
    return bad_floors(fmt::format("the limit should be a number, found {}",
                                  json::kind_name(limit)));
  }
  out.at_least = least != nullptr;
  out.limit = limit.to_number<double>();
  const bool share = !is_time(out.key.measure);
  if (!(out.limit >= 0) || (share && out.limit > 1)) {
    return bad_floors(fmt::format("the limit should be {}, found {}",
                                  share ? "a share from 0 to 1" : "0 or more", out.limit),
                      share ? "0.92 means 92 %" : "seconds");
  }
  return out;
}

std::string value_text(const Floor& floor, double value) {
  return is_time(floor.key.measure) ? fmt::format("{:.3f} s", value)
                                    : fmt::format("{:.1f} %", 100 * value);
}

FloorOutcome outcome_of(const Report& report, const Floor& floor) {
  FloorOutcome out{floor, false, true, 0, 0, 0};
  if (is_time(floor.key.measure)) {
    const auto at = report.times.find(floor.key.suite);
    out.known = at != report.times.end() && floor.key.language.empty();
    if (out.known) out.found = floor.key.measure == kP99 ? at->second.p99 : at->second.median;
  } else {
    const Share* share = report.share(floor.key);
    out.known = share != nullptr && share->total > 0;
    if (out.known) {
      out.found = share->value();
      out.right = share->right;
      out.total = share->total;
    }
  }
  // A share of 0.92 of 25 cases is 23 of them, whatever the last bit of 0.92 is.
  constexpr double kSlack = 1e-9;
  out.met = out.known && (floor.at_least ? out.found >= floor.limit - kSlack
                                         : out.found <= floor.limit + kSlack);
  return out;
}

}  // namespace

Result<std::vector<Floor>> read_floors(std::string_view text, const std::string& file) {
  const auto at_file = [&](const Error& error) {
    return bad_floors(fmt::format("{}: {}", file, error.message), error.hint);
  };
  auto value = json::parse(text);
  if (!value.ok()) return at_file(value.error());
  const json::Object* object = value->if_object();
  const json::Value* format = object ? object->if_contains("format") : nullptr;
  const json::Value* list = object ? object->if_contains("floors") : nullptr;
  if (format == nullptr || !format->is_string() ||
      std::string_view(format->as_string()) != kFloorsFormat) {
    return at_file(bad_floors(fmt::format("expected \"format\": \"{}\"", kFloorsFormat)));
  }
  if (list == nullptr || !list->is_array() || list->as_array().empty()) {
    return at_file(bad_floors("expected a list 'floors' with one floor at least"));
  }
  std::vector<Floor> floors;
  for (const json::Value& item : list->as_array()) {
    auto floor = floor_of(item);
    if (!floor.ok()) {
      return bad_floors(fmt::format("{}: floor {}: {}", file, floors.size() + 1,
                                    floor.error().message), floor.error().hint);
    }
    floors.push_back(std::move(floor).value());
  }
  return floors;
}

std::vector<FloorOutcome> check_floors(const Report& report, const std::vector<Floor>& floors) {
  std::vector<FloorOutcome> outcomes;
  for (const Floor& floor : floors) outcomes.push_back(outcome_of(report, floor));
  return outcomes;
}

std::string floor_text(const FloorOutcome& outcome) {
  const Floor& floor = outcome.floor;
  std::string where = floor.key.suite.empty() ? "all suites" : floor.key.suite;
  if (!floor.key.language.empty()) where += ", " + floor.key.language;
  const std::string limit = fmt::format("{} {}", floor.at_least ? "at least" : "at most",
                                        value_text(floor, floor.limit));
  if (!outcome.known) {
    return fmt::format("{}: {}: no case has this measure, {}", where, floor.key.measure, limit);
  }
  const std::string count =
      outcome.total > 0 ? fmt::format(" ({} of {})", outcome.right, outcome.total) : "";
  return fmt::format("{}: {} {}{}, {}", where, measure_title(floor.key.measure),
                     value_text(floor, outcome.found), count, limit);
}

json::Object to_json(const FloorOutcome& outcome) {
  const Floor& floor = outcome.floor;
  return {{"suite", floor.key.suite},
          {"language", floor.key.language},
          {"measure", floor.key.measure},
          {floor.at_least ? "at_least" : "at_most", floor.limit},
          {"found", outcome.known ? json::Value(outcome.found) : json::Value()},
          {"met", outcome.met}};
}

}  // namespace weft::eval
