// SPDX-License-Identifier: Apache-2.0
//
// Answers of models as far as they came. Pieces of them are changes of their run like any other
// (fenced, in order, in one transaction), but no events: they decide nothing, and are gone once the
// answer is complete. After a crash the step begins anew and gets them back, so that only what the
// last piece did not cover is generated again.
#include "worker/executor.h"

namespace weft::worker {
namespace {

std::string draw_of(const workflow::Execution& execution) {
  return fmt::format("{}/{}", execution.alternative, execution.failures);
}

}  // namespace

// Pieces that follow on each other and belong to one request become one.
void Executor::note_partials(ActiveRun& run, const StoredRun& stored) {
  if (stored.partials.empty()) return;
  ActiveRun::Rows& rows = run.rows();
  CHECK(rows.partials.empty(), "answers of {} are noted once", run.id);
  for (const PartialRow& piece : stored.partials) {
    rows.partial_paths.insert(piece.path);
    PartialRow& whole = rows.partials[{piece.path, piece.draw}];
    if (whole.request.empty()) whole.request = piece.request;
    const auto known = static_cast<int64_t>(whole.ids.size() / 4);
    const bool sound = piece.ids.size() == piece.logprobs.size() && piece.ids.size() % 4 == 0;
    if (piece.request != whole.request || piece.first != known || !sound) continue;
    whole.ids += piece.ids;
    whole.logprobs += piece.logprobs;
  }
}

void Executor::add_partials(StepContext& context, ActiveRun& run, const Running& running) {
  const workflow::Execution* execution =
      workflow::find_execution(run.state, *run.planner.find(running.path));
  CHECK(execution != nullptr, "{} of run {}", running.path, run.id);
  if (!running.type->asks_models()) return;
  const std::string draw = draw_of(*execution);
  const auto& partials = run.rows().partials;
  if (const auto known = partials.find({running.path, draw}); known != partials.end()) {
    context.resume = known->second;
  }
  context.on_partial = [weak = weak_from_this(), &loop = services_.loop, run = run.id,
                        path = running.path, draw, attempt = running.attempt](PartialRow piece) {
    piece.path = path;
    piece.draw = draw;
    loop.post([weak, run, attempt, piece = std::move(piece)]() mutable {
      if (const auto self = weak.lock()) self->on_partial(run, attempt, std::move(piece));
    });
  };
}

void Executor::on_partial(const std::string& id, uint32_t attempt, PartialRow piece) {
  ActiveRun* run = find(id);
  if (run == nullptr || stopping_ || terminal(run->state.status)) return;
  const auto at = run->running.find(piece.path);
  if (at == run->running.end() || at->second.attempt != attempt) return;  // stopped meanwhile
  CHECK(!run->driving, "pieces of answers come between turns");
  CHECK(!piece.ids.empty() && piece.ids.size() == piece.logprobs.size(), "a piece of nothing");
  run->rows().partial_paths.insert(piece.path);
  run->turn().change.partials.push_back(std::move(piece));
  commit(*run);
}

void Executor::drop_partials(ActiveRun& run, const std::string& path) {
  if (run.own_rows == nullptr || run.rows().partial_paths.erase(path) == 0) return;
  std::erase_if(run.rows().partials, [&](const auto& entry) { return entry.first.first == path; });
  run.turn().change.partials_done.push_back(path);
}

}  // namespace weft::worker
