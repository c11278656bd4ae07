// SPDX-License-Identifier: Apache-2.0
#include "workflow/events.h"

#include <fmt/compile.h>

#include <array>
#include <iterator>
#include <span>
#include <type_traits>
#include <utility>

#include "base/strings.h"

namespace weft::workflow {
namespace {

constexpr std::array<std::string_view, 6> kReasons = {"none", "person",    "signal",
                                                      "time", "child_run", "resource"};
constexpr std::array<std::string_view, 5> kTimers = {"run_deadline", "step_deadline",
                                                     "attempt_deadline", "retry", "wake"};
constexpr std::array<std::string_view, 3> kResolutions = {"retry", "fail", "succeed"};
constexpr std::array<std::string_view, 2> kDecisions = {"approved", "rejected"};
constexpr std::array<std::string_view, 5> kEnds = {"succeeded", "failed", "skipped", "cancelled",
                                                   "timed_out"};
constexpr std::array<std::string_view, std::variant_size_v<EventBody>> kKinds = {
    "run_accepted",      "run_started",     "step_decided",        "decision_failed",
    "attempt_started",   "attempt_succeeded", "attempt_failed",    "attempt_waiting",
    "attempt_resumed",   "attempt_interrupted", "attempt_unknown", "unknown_resolved",
    "timer_fired",       "cancel_requested", "run_finished",        "result_kept",
    "approval_decided",  "signal_received", "child_ended",       "attempt_noted"};

// The fields of every event, once, for the writer and the reader below.
template <class A> void fields(A& a, Failure& f) {
  a("code", f.code), a("message", f.message), a("hint", f.hint), a("step", f.step);
}
template <class A> void fields(A& a, RunAccepted& e) {
  a("run", e.run), a("definition", e.definition), a("input", e.input), a("env", e.env);
  a("priority", e.priority), a("timeout_us", e.timeout_us), a("seed", e.seed);
  a("parent", e.parent), a("parent_path", e.parent_path), a("origin", e.origin);
  a("effects_of", e.effects_of), a("rules", e.rules);
}
template <class A> void fields(A& a, ResultKept& e) {
  a("path", e.path), a("end", e.end), a("output", e.output), a("failure", e.failure);
}
template <class A> void fields(A& a, ApprovalDecided& e) {
  a("path", e.path), a("decision", e.decision), a("by", e.by), a("comment", e.comment);
}
template <class A> void fields(A& a, SignalReceived& e) {
  a("name", e.name), a("payload", e.payload), a("by", e.by);
}
template <class A> void fields(A& a, ChildEnded& e) {
  a("path", e.path), a("run", e.run), a("status", e.status), a("output", e.output);
  a("failure", e.failure);
}
template <class A> void fields(A&, RunStarted&) {}
template <class A> void fields(A& a, StepDecided& e) {
  a("path", e.path), a("run", e.run), a("items", e.items);
}
template <class A> void fields(A& a, DecisionFailed& e) {
  a("path", e.path), a("failure", e.failure);
}
template <class A> void fields(A& a, AttemptStarted& e) {
  a("path", e.path), a("attempt", e.attempt);
}
template <class A> void fields(A& a, AttemptSucceeded& e) {
  a("path", e.path), a("attempt", e.attempt), a("output", e.output);
}
template <class A> void fields(A& a, AttemptFailed& e) {
  a("path", e.path), a("attempt", e.attempt), a("failure", e.failure);
  a("retryable", e.retryable), a("retry_after_us", e.retry_after_us);
}
template <class A> void fields(A& a, AttemptWaiting& e) {
  a("path", e.path), a("attempt", e.attempt), a("reason", e.reason), a("until_us", e.until_us);
  a("name", e.name), a("ask", e.ask);
}
template <class A> void fields(A& a, AttemptResumed& e) {
  a("path", e.path), a("attempt", e.attempt);
}
template <class A> void fields(A& a, AttemptInterrupted& e) {
  a("path", e.path), a("attempt", e.attempt);
}
template <class A> void fields(A& a, AttemptUnknown& e) {
  a("path", e.path), a("attempt", e.attempt), a("failure", e.failure);
}
template <class A> void fields(A& a, AttemptNoted& e) {
  a("path", e.path), a("attempt", e.attempt), a("note", e.note);
}
template <class A> void fields(A& a, UnknownResolved& e) {
  a("path", e.path), a("resolution", e.resolution), a("output", e.output), a("by", e.by);
}
template <class A> void fields(A& a, TimerFired& e) { a("timer", e.kind), a("path", e.path); }
template <class A> void fields(A& a, CancelRequested& e) { a("by", e.by), a("reason", e.reason); }
template <class A> void fields(A& a, RunFinished& e) {
  a("output", e.output), a("ok", e.ok), a("failure", e.failure);
}

std::span<const std::string_view> words(WaitReason) { return kReasons; }
std::span<const std::string_view> words(TimerKind) { return kTimers; }
std::span<const std::string_view> words(StepEnd) { return kEnds; }
std::span<const std::string_view> words(ApprovalDecided::Decision) { return kDecisions; }
std::span<const std::string_view> words(UnknownResolved::Resolution) { return kResolutions; }

// Writes the text of an object directly: events are most of what the journal holds, and a tree of
// JSON values on the way cost more than all the rest of the planner. Null, empty text and an empty
// failure are left out.
struct Writer {
  std::string& out;

  template <class F>
  void operator()(std::string_view key, const F& field) {
    if constexpr (std::is_same_v<F, json::Value>) {
      if (!field.is_null()) json::append_dump(name(key), field);
    } else if constexpr (std::is_same_v<F, Failure>) {
      if (field == Failure{}) return;
      name(key) += '{';
      Writer inner{out};
      fields(inner, const_cast<Failure&>(field));
      out += '}';
    } else if constexpr (std::is_convertible_v<F, std::string_view>) {
      if (!field.empty()) json::append_quoted(name(key), field);
    } else if constexpr (std::is_enum_v<F>) {
      json::append_quoted(name(key), words(field)[static_cast<size_t>(field)]);
    } else if constexpr (std::is_same_v<F, bool>) {
      name(key) += field ? "true" : "false";
    } else {
      fmt::format_to(std::back_inserter(name(key)), FMT_COMPILE("{}"), field);
    }
  }
  std::string& name(std::string_view key) {
    if (out.back() != '{') out += ',';
    out += '"';
    out += key;  // our own words: nothing to escape
    out += "\":";
    return out;
  }
};

struct Reader {
  const json::Object& object;
  size_t used = 0;
  std::string wrong = {};  // first field that does not fit

  template <class F>
  void operator()(std::string_view key, F& field) {
    const json::Value* value = object.if_contains(key);
    if (value == nullptr) return;
    ++used;
    if (!read(*value, field) && wrong.empty()) wrong = key;
  }
  static bool read(const json::Value& value, json::Value& out) {
    out = value;
    return true;
  }
  static bool read(const json::Value& value, std::string& out) {
    if (value.is_string()) out = std::string_view(value.get_string());
    return value.is_string();
  }
  static bool read(const json::Value& value, bool& out) {
    if (value.is_bool()) out = value.get_bool();
    return value.is_bool();
  }
  static bool read(const json::Value& value, Failure& out) {
    auto failure = failure_from_json(value);
    if (failure.ok()) out = std::move(failure).value();
    return failure.ok();
  }
  template <class F>
  static bool read(const json::Value& value, F& out) {
    if constexpr (std::is_enum_v<F>) {
      if (!value.is_string()) return false;
      const auto all = words(out);
      for (size_t i = 0; i < all.size(); ++i) {
        if (all[i] != std::string_view(value.get_string())) continue;
        out = static_cast<F>(i);
        return true;
      }
      return false;
    } else {
      boost::system::error_code error;
      const auto number = value.to_number<F>(error);
      if (value.is_double() || error) return false;
      out = number;
      return true;
    }
  }
};

Error not_an_event(std::string message) {
  return make_error("E0431", std::move(message), "the journal is damaged or was written by hand");
}

template <size_t I = 0>
Result<EventBody> read_body(size_t kind, const json::Object& object) {
  if constexpr (I == std::variant_size_v<EventBody>) {
    CHECK(false, "kind {}", kind);
  } else if (I != kind) {
    return read_body<I + 1>(kind, object);
  } else {
    std::variant_alternative_t<I, EventBody> body;
    if constexpr (requires { body.rules; }) body.rules = 0;
    Reader reader{object, 2};  // "kind" and "at" are read
    fields(reader, body);
    if (!reader.wrong.empty()) {
      return not_an_event(fmt::format("field '{}' of {} has the wrong type", reader.wrong,
                                      kKinds[kind]));
    }
    if (reader.used != object.size()) {
      return not_an_event(fmt::format("{} has an unknown field", kKinds[kind]));
    }
    return EventBody(std::in_place_index<I>, std::move(body));
  }
}

}  // namespace

std::string_view name(WaitReason reason) { return kReasons[static_cast<size_t>(reason)]; }
std::string_view name(TimerKind kind) { return kTimers[static_cast<size_t>(kind)]; }
std::string_view name(ApprovalDecided::Decision decision) {
  return kDecisions[static_cast<size_t>(decision)];
}

std::string_view kind(const Event& event) { return kKinds[event.body.index()]; }

std::string_view path(const Event& event) {
  return std::visit(
      [](const auto& body) -> std::string_view {
        if constexpr (requires { body.path; }) {
          return body.path;
        } else {
          return {};
        }
      },
      event.body);
}

Failure failure_of(const Error& error) { return {error.code, error.message, error.hint, ""}; }

json::Value to_json(const Failure& failure) {
  json::Object object;
  const auto put = [&](std::string_view key, const std::string& text) {
    if (!text.empty()) object.emplace(key, text);
  };
  fields(put, const_cast<Failure&>(failure));
  return object;
}

Result<Failure> failure_from_json(const json::Value& value) {
  if (!value.is_object()) return not_an_event("expected a failure as an object");
  Failure failure;
  Reader reader{value.get_object()};
  fields(reader, failure);
  if (!reader.wrong.empty() || reader.used != value.get_object().size()) {
    return not_an_event("a failure has only the texts code, message, hint and step");
  }
  return failure;
}

std::string to_text(const Event& event) {
  std::string out = "{";
  Writer writer{out};
  writer("kind", kind(event));
  writer("at", event.at_us);
  // the writer takes its fields as const; one list of fields serves the reader too
  std::visit(
      [&]<class T>(const T& body) { fields(writer, const_cast<T&>(body)); }, event.body);
  out += '}';
  return out;
}

Result<Event> event_from_json(const json::Value& value) {
  if (!value.is_object()) return not_an_event("expected an event as an object");
  const json::Object& object = value.get_object();
  const json::Value* kind_value = object.if_contains("kind");
  const json::Value* at = object.if_contains("at");
  if (kind_value == nullptr || !kind_value->is_string() || at == nullptr || !at->is_int64()) {
    return not_an_event("expected the fields kind (text) and at (integer)");
  }
  for (size_t i = 0; i < kKinds.size(); ++i) {
    if (kKinds[i] != std::string_view(kind_value->get_string())) continue;
    Event event;
    event.at_us = at->get_int64();
    event.body = TRY(read_body(i, object));
    return event;
  }
  return not_an_event(
      fmt::format("unknown kind {}", quoted(std::string_view(kind_value->get_string()))));
}

}  // namespace weft::workflow
