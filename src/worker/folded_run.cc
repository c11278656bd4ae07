// SPDX-License-Identifier: Apache-2.0
#include "worker/folded_run.h"

#include "base/strings.h"
#include "workflow/loader.h"

namespace weft::worker {
namespace {

Error damaged(const StoredRun& stored, int64_t seq, Error cause) {
  Error error = make_error(
      "E0604",
      fmt::format("event {} of run {} cannot be read: {}", seq, stored.summary.id, cause.message),
      "the store was changed by another program, or by a newer weft; `weft runs show` of other "
      "runs is not affected");
  error.cause = std::make_shared<const Error>(std::move(cause));
  return error;
}

Result<json::Object> fold_context(const StoredRun& stored) {
  json::Value context = TRY(json::parse(stored.context));
  if (!context.is_object()) {
    return make_error("E0604", fmt::format("the context of run {} is no object",
                                           stored.summary.id));
  }
  return std::move(context.as_object());
}

}  // namespace

Result<std::shared_ptr<const workflow::Workflow>> stored_definition(const StoredRun& stored) {
  return workflow::load_or_error(stored.definition,
                                 fmt::format("definition of run {}", stored.summary.id),
                                 {.stored = true});
}

Result<Definitions> pinned_definitions(const StoredRun& stored) {
  Definitions definitions;
  for (const auto& [name, document] : stored.definitions) {
    definitions[name] = TRY(workflow::load_or_error(
        document, fmt::format("sub-workflow {} of run {}", quoted(name), stored.summary.id),
        {.stored = true}));
  }
  return definitions;
}

Result<FoldedRun> fold_run(const StoredRun& stored, const FoldOptions& options) {
  FoldedRun folded;
  folded.context = TRY(fold_context(stored));
  auto known = options.planner;
  if (known == nullptr) {
    known = std::make_shared<const workflow::Planner>(TRY(stored_definition(stored)));
  }
  const workflow::Planner& planner = *known;
  folded.workflow = planner.definition();
  int64_t expected = 1;
  for (const StoredEvent& row : stored.events) {
    if (row.seq != expected) {
      return damaged(stored, expected, make_error("E0604", "it is missing"));
    }
    auto body = json::parse(row.body);
    if (!body.ok()) return damaged(stored, row.seq, body.error());
    auto event = workflow::event_from_json(*body);
    if (!event.ok()) return damaged(stored, row.seq, event.error());
    auto decision = planner.apply(folded.state, *event);
    if (!decision.ok()) return damaged(stored, row.seq, decision.error());
    const auto* kept = std::get_if<workflow::ResultKept>(&event->body);
    const bool kept_output = kept != nullptr && kept->end == workflow::StepEnd::kSucceeded;
    if (kept_output ||
        (std::holds_alternative<workflow::AttemptSucceeded>(event->body) && !decision->stale)) {
      folded.output_seq[std::string(workflow::path(*event))] = row.seq;
    }
    if (options.happenings) {
      for (workflow::Change& change : decision->changes) {
        folded.happenings.push_back({event->at_us, std::move(change)});
      }
    }
    ++expected;
  }
  return folded;
}

}  // namespace weft::worker
