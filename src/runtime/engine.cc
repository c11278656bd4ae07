// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "runtime/block_pool.h"
#include "runtime/cache_memory.h"
#include "runtime/deadline.h"
#include "runtime/drafter.h"
#include "runtime/evaluator.h"
#include "runtime/kv_cache.h"
#include "runtime/loop_guard.h"
#include "runtime/memory_plan.h"
#include "runtime/scheduler.h"
#include "runtime/sequence.h"
#include "runtime/state_pool.h"
#include "runtime/tick_times.h"

namespace weft::runtime {
namespace {

using text::TokenId;

double seconds(int64_t ns) { return static_cast<double>(ns) * 1e-9; }

}  // namespace

// Rows of a tick up to which guesses are worth their time: more rows are no longer free.
constexpr int kDraftRows = 8;
// Tokens between two looks for a loop.
constexpr size_t kLoopStride = 16;

struct Engine::Impl {
  Impl(std::shared_ptr<ModelInstance> model_in, const EngineOptions& options,
       std::unique_ptr<tensor::Ops> ops_in, std::unique_ptr<KvSpill> spill, Env& env_in)
      : model(std::move(model_in)), ops(std::move(ops_in)), env(env_in),
        recurrent(model->family->state_floats() > 0),
        speculate(options.speculate && !recurrent),  // a state cannot be taken back
        memory(plan_memory(*model, options)), cache(model->kv_shape(), memory.blocks),
        blocks(cache, std::move(spill)),
        states(model->family->state_floats(), memory.sequences), pool(cache.blocks()),
        scheduler({options.tokens_per_tick, memory.sequences,
                   options.share_prefixes && !recurrent}, pool, blocks),
        mask(static_cast<size_t>(model->config.vocab_size)) {}

  // --- shared with submitters ---
  const std::shared_ptr<ModelInstance> model;
  std::mutex mutex;  // guards the next five
  std::condition_variable wake;
  std::vector<Incoming> inbox;
  bool stopping = false;
  EngineStats published;
  std::atomic<int> outstanding = 0;

  // --- the engine thread's own ---
  const std::unique_ptr<tensor::Ops> ops;
  Env& env;
  const bool recurrent;
  const bool speculate;
  const MemoryPlan memory;
  KvCache cache;
  CacheMemory blocks;
  StatePool states;
  BlockPool pool;
  Scheduler scheduler;
  Sampler sampler;
  grammar::TokenMask mask;
  std::map<SequenceId, Sequence> sequences;
  SequenceId newest = 0;
  EngineStats stats;
  TickTimes tick_times;
  BatchRows batch;
  std::vector<float> hidden;
  std::vector<float> wanted;  // hidden rows whose logits are needed, gathered
  std::vector<float> logits;
  SideJobs side_jobs;
  double beside_seconds = 0;  // that side jobs took since the last tick, while sequences waited
  std::thread thread;

  int context() const { return std::min(model->config.context, cache.blocks() * kBlockPositions); }
  void loop();
  bool tick();
  void note_time(int decoding, double took);
  bool work_beside();
  void accept();
  void start(Incoming in);
  void drop_cancelled();
  void keep_deadlines();
  void propose_drafts();
  void prepare(const std::vector<Slice>& plan);
  void run_model(const std::vector<Slice>& plan);
  void compute_logits(const std::vector<Slice>& plan);
  void decide(const Slice& slice, std::span<float> rows);
  bool choose(SequenceId id, std::span<float> row);
  bool take(SequenceId id, Sampled sampled);
  bool take_forced(SequenceId id);
  bool hurry(SequenceId id, grammar::Haste haste);
  bool hurry_again(SequenceId id);
  bool wrap_up(SequenceId id, grammar::Haste haste, Finish otherwise);
  bool take_resumed(SequenceId id);
  void finish(SequenceId id, Finish reason, std::optional<Error> error = std::nullopt);
  void publish();
};

// One iteration of the engine; false if there was nothing to do.
bool Engine::Impl::tick() {
  accept();
  drop_cancelled();
  keep_deadlines();
  const int64_t begin_ns = env.mono_ns();
  if (speculate) propose_drafts();
  const std::vector<Slice> plan = scheduler.plan();
  CHECK(plan.empty() == sequences.empty(), "{} sequences, nothing planned", sequences.size());
  if (plan.empty()) return false;
  prepare(plan);
  run_model(plan);
  scheduler.done(plan);
  compute_logits(plan);
  size_t row = 0;
  int decoding = 0;  // token by token, as those with a deadline will
  const auto vocab = static_cast<size_t>(model->config.vocab_size);
  for (const Slice& slice : plan) {
    if (!slice.last) continue;
    decoding += slice.count - slice.drafts == 1 ? 1 : 0;
    const auto rows = static_cast<size_t>(slice.drafts) + 1;
    decide(slice, std::span(logits).subspan(row * vocab, rows * vocab));
    row += rows;
  }
  note_time(decoding, seconds(env.mono_ns() - begin_ns));
  publish();
  return true;
}

// Of the tick that has just been done.
void Engine::Impl::note_time(int decoding, double took) {
  const auto rows = static_cast<int>(batch.tokens.size());
  CHECK(decoding >= 0 && decoding <= rows, "{} of {} rows decode", decoding, rows);
  CHECK(took >= 0 && beside_seconds >= 0, "a tick of {} s beside {} s", took, beside_seconds);
  ++stats.ticks;
  stats.busy_seconds += took;
  tick_times.add(rows, decoding, took + std::exchange(beside_seconds, 0.0));
}

// To those with a deadline what comes between two ticks is as long as a longer tick.
bool Engine::Impl::work_beside() {
  const int64_t begin_ns = env.mono_ns();
  const bool worked = side_jobs.work(*ops);
  beside_seconds = worked && !sequences.empty() ? seconds(env.mono_ns() - begin_ns) : 0.0;
  return worked;
}

void Engine::Impl::loop() {
  for (;;) {
    bool worked = true;
    while (worked) {
      worked = tick();
      worked = work_beside() || worked;
      const std::scoped_lock lock(mutex);
      if (stopping) break;
    }
    publish();
    std::unique_lock lock(mutex);
    wake.wait(lock, [&] { return stopping || !inbox.empty() || !side_jobs.empty(); });
    if (stopping) break;
  }
  accept();
  while (!sequences.empty()) finish(sequences.begin()->first, Finish::kCancelled);
  scheduler.drop_cache();
  CHECK(pool.free() == pool.size(), "blocks leak: {}", pool.free());
  CHECK(states.free() == states.slots(), "states leak: {}", states.free());
}

void Engine::Impl::accept() {
  std::vector<Incoming> arrived;
  {
    const std::scoped_lock lock(mutex);
    arrived.swap(inbox);
    if (stopping) {
      for (auto& [id, sequence] : sequences) sequence.in.cancelled->store(true);
      for (Incoming& in : arrived) in.cancelled->store(true);
    }
  }
  for (Incoming& in : arrived) start(std::move(in));
}

void Engine::Impl::start(Incoming in) {
  const SequenceId id = ++newest;
  CHECK(!in.request.prompt.empty() && in.tokens_max > 0);
  CHECK(std::ssize(in.request.prompt) < in.tokens_max, "no room for an answer");
  CHECK(in.tokens_max <= context(), "tokens_max={}", in.tokens_max);
  CHECK(in.cancelled != nullptr);
  Sequence added;
  added.tokens = in.request.prompt;
  added.out.usage.prompt_tokens = static_cast<int>(in.request.prompt.size());
  added.history.add_prompt(in.request.prompt);
  added.in = std::move(in);
  if (speculate) added.drafter.add(added.tokens);
  scheduler.add(id, {added.tokens, added.in.tokens_max, added.in.request.priority,
                     added.in.request.cache_salt});
  sequences.emplace(id, std::move(added));
  ++stats.requests;
  if (!sequences.at(id).in.request.hurries.empty() && !hurry_again(id)) return;
  // A guide may know the first tokens before the model has said anything.
  if (take_resumed(id)) take_forced(id);
}

void Engine::Impl::drop_cancelled() {
  std::vector<SequenceId> gone;
  for (const auto& [id, sequence] : sequences) {
    CHECK(sequence.in.cancelled != nullptr, "sequence {}", id);
    if (sequence.in.cancelled->load(std::memory_order_relaxed)) gone.push_back(id);
  }
  for (const SequenceId id : gone) finish(id, Finish::kCancelled);
}

// Whoever could miss its deadline by going on as it does is hurried. Those whose deadline comes
// first write their endings before, or at the same time.
void Engine::Impl::keep_deadlines() {
  std::vector<std::pair<int64_t, SequenceId>> due;
  int rows = 0;  // before or beside an ending: everything pending, the endings of those due before
  for (const auto& [id, sequence] : sequences) {
    if (sequence.in.request.deadline_ns != 0) due.emplace_back(sequence.in.request.deadline_ns, id);
    if (sequence.started_ns != 0) rows += scheduler.pending(id);
  }
  std::ranges::sort(due);
  for (const auto& [deadline_ns, id] : due) {
    const Sequence& sequence = sequences.at(id);
    CHECK(deadline_ns > 0 && rows >= 0, "sequence {}: {} rows", id, rows);
    grammar::Guide* const guide = sequence.in.request.guide.get();
    const grammar::Haste haste = haste_needed(
        guide, sequence.haste, seconds(deadline_ns - env.mono_ns()),
        {.rows = rows, .decodes = scheduler.decoding(id)}, tick_times);
    if (guide != nullptr) rows += guide->ending(grammar::Haste::kShortest).tokens;
    if (haste > sequence.haste && hurry(id, haste)) take_forced(id);
  }
}

// The deadline's, or that of the record of one. False: the sequence has ended.
bool Engine::Impl::hurry(SequenceId id, grammar::Haste haste) {
  Sequence& sequence = sequences.at(id);
  CHECK(haste > sequence.haste, "sequence {} hurries as it does already", id);
  if (sequence.out.hurries.empty()) ++stats.deadlines;
  sequence.out.hurries.push_back({static_cast<int>(sequence.out.tokens.size()), haste});
  return wrap_up(id, haste, Finish::kDeadline);
}

// As it was hurried the first time.
bool Engine::Impl::hurry_again(SequenceId id) {
  Sequence& sequence = sequences.at(id);
  CHECK(sequence.in.request.deadline_ns == 0, "sequence {} has a clock and a record of one", id);
  for (const Hurry& then : sequence.in.request.hurries) {
    const bool now = then.at == static_cast<int>(sequence.out.tokens.size());
    if (now && then.haste > sequence.haste && !hurry(id, then.haste)) return false;
  }
  return true;
}

// Guesses for those that decode, as many as the tick has rows to spare.
void Engine::Impl::propose_drafts() {
  int spare = kDraftRows - scheduler.admitted();
  for (auto& [id, sequence] : sequences) {
    sequence.drafts.clear();
    if (spare <= 0 || !scheduler.is_admitted(id) || !scheduler.decoding(id)) continue;
    sequence.drafts = sequence.drafter.guess(std::min(spare, Drafter::kDraftMax));
    spare -= static_cast<int>(sequence.drafts.size());
    scheduler.propose(id, static_cast<int>(sequence.drafts.size()));
  }
}

// What the plan says about sequences, besides which rows to compute.
void Engine::Impl::prepare(const std::vector<Slice>& plan) {
  for (const SequenceId id : scheduler.preempted()) {
    Sequence& sequence = sequences.at(id);
    sequence.drafts.clear();
    if (sequence.state >= 0) states.release(std::exchange(sequence.state, -1));
  }
  for (auto& [id, sequence] : sequences) {
    if (!scheduler.is_admitted(id)) sequence.drafts.clear();
  }
  for (const Slice& slice : plan) {
    Sequence& sequence = sequences.at(slice.id);
    CHECK(slice.drafts <= std::ssize(sequence.drafts), "sequence {}", slice.id);
    sequence.drafts.resize(static_cast<size_t>(slice.drafts));
    if (sequence.started_ns == 0) sequence.started_ns = env.mono_ns();
    const int cached = scheduler.cached(slice.id);
    stats.cached_tokens += cached - std::exchange(sequence.out.usage.cached_tokens, cached);
  }
}

void Engine::Impl::run_model(const std::vector<Slice>& plan) {
  batch.clear();
  for (const Slice& slice : plan) {
    Sequence& sequence = sequences.at(slice.id);
    CHECK(slice.count > 0 && slice.begin + slice.count <= context(), "sequence {}", slice.id);
    if (sequence.state < 0) sequence.state = states.take();  // as many as can be admitted
    float* const state =
        recurrent ? states.run(sequence.state, slice.begin, slice.count) : nullptr;
    batch.add(slice, sequence, scheduler.blocks(slice.id), state);
    const int prompt = sequence.out.usage.prompt_tokens;
    stats.prompt_tokens += std::clamp(prompt - slice.begin, 0, slice.count);
  }
  CHECK(batch.tokens.size() == batch.positions.size(), "a token without its position");
  const int width = model->family->hidden_size();
  CHECK(width > 0);
  hidden.resize(batch.tokens.size() * static_cast<size_t>(width));
  model->family->forward(*ops, batch.view(), cache.view(),
                         {hidden.data(), static_cast<int64_t>(batch.tokens.size()), width});
}

// Only the last known row of a sequence decides a token, and the guesses behind it may; the others
// are not worth a vocabulary.
void Engine::Impl::compute_logits(const std::vector<Slice>& plan) {
  CHECK(plan.size() == batch.sequences.size());
  CHECK(hidden.size() == batch.tokens.size() * static_cast<size_t>(model->family->hidden_size()));
  const auto width = static_cast<size_t>(model->family->hidden_size());
  wanted.clear();
  int64_t rows = 0;
  for (size_t i = 0; i < plan.size(); ++i) {
    if (!plan[i].last) continue;
    const tensor::SequenceRows& at = batch.sequences[i];
    const int count = plan[i].drafts + 1;
    const float* row = hidden.data() + static_cast<size_t>(at.first_row + at.rows - count) * width;
    wanted.insert(wanted.end(), row, row + static_cast<size_t>(count) * width);
    rows += count;
  }
  if (rows == 0) return;
  const int vocab = model->config.vocab_size;
  CHECK(wanted.size() == static_cast<size_t>(rows) * width, "{} floats for {} rows", wanted.size(),
        rows);
  CHECK(vocab > 0);
  logits.resize(static_cast<size_t>(rows) * static_cast<size_t>(vocab));
  model->family->head(*ops, {wanted.data(), rows, static_cast<int64_t>(width)},
                      {logits.data(), rows, vocab});
}

// Row 0 gives the next token. While every token taken is the one that was guessed, the next row is
// worth something too: it was computed behind exactly these tokens.
void Engine::Impl::decide(const Slice& slice, std::span<float> rows) {
  const auto vocab = static_cast<size_t>(model->config.vocab_size);
  Sequence& sequence = sequences.at(slice.id);
  sequence.proved = 0;
  sequence.on_drafts = true;
  Usage& usage = sequence.out.usage;
  usage.drafted_tokens += slice.drafts;
  stats.drafted_tokens += slice.drafts;
  for (;;) {
    const size_t proved = sequence.proved;
    CHECK(proved <= static_cast<size_t>(slice.drafts), "{} of {}", proved, slice.drafts);
    if (!choose(slice.id, rows.subspan(proved * vocab, vocab))) return;
    if (!sequence.on_drafts) break;
    CHECK(sequence.proved > proved, "sequence {} stands still", slice.id);
  }
  sequence.drafter.verdict(slice.drafts, static_cast<int>(sequence.proved));
}

// False: the sequence has ended.
bool Engine::Impl::choose(SequenceId id, std::span<float> row) {
  Sequence& sequence = sequences.at(id);
  const Request& request = sequence.in.request;
  CHECK(row.size() == static_cast<size_t>(model->config.vocab_size), "{} logits", row.size());
  CHECK(std::ssize(sequence.tokens) < sequence.in.tokens_max, "sequence {} is full", id);
  if (sequence.first_token_ns == 0) sequence.first_token_ns = env.mono_ns();
  bool masked = false;
  if (request.guide) {
    mask.allow_all();
    masked = request.guide->mask(mask);
  }
  auto sampled = sampler.sample(
      *ops, request.sampling,
      {row, masked ? &mask : nullptr, &sequence.history,
       static_cast<int64_t>(sequence.tokens.size()), request.logprobs, request.top_logprobs});
  if (!sampled) {
    finish(id, Finish::kError,
           make_error("E0732", fmt::format("no token can be chosen at position {}: no allowed "
                                           "logit is a finite number", sequence.tokens.size()),
                      "the weights are damaged, or a guide forbids every token"));
    return false;
  }
  return take(id, *std::move(sampled)) && take_forced(id);
}

// The sequence goes on with a token. False if it ended with it.
bool Engine::Impl::take(SequenceId id, Sampled sampled) {
  Sequence& sequence = sequences.at(id);
  sampled.hurried = !sequence.out.hurries.empty();
  const TokenId token = sampled.id;
  const Request& request = sequence.in.request;
  CHECK(token >= 0 && token < model->config.vocab_size, "token {}", token);
  sequence.tokens.push_back(token);
  sequence.out.tokens.push_back(token);
  if (request.logprobs) sequence.out.logprobs.push_back(sampled.logprob);
  if (request.sampling.has_penalties()) sequence.history.add_generated(token);
  ++stats.generated_tokens;
  CHECK(sequence.tokens.size() == sequence.in.request.prompt.size() + sequence.out.tokens.size());
  CHECK(static_cast<int>(sequence.tokens.size()) <= sequence.in.tokens_max, "sequence {}", id);
  bool stop = std::ranges::find(request.stop_tokens, token) != request.stop_tokens.end();
  if (request.guide && request.guide->on_token(token) == grammar::Verdict::kStop) stop = true;
  if (request.on_token) request.on_token(sampled);  // after the guide, which may have split it
  const bool full = static_cast<int>(sequence.out.tokens.size()) >= sequence.generated_max();
  if (sequence.on_drafts) {
    sequence.on_drafts = sequence.proved < sequence.drafts.size() &&
                         sequence.drafts[sequence.proved] == token;
    if (sequence.on_drafts) {
      ++sequence.proved;
      ++stats.accepted_tokens;
      ++sequence.out.usage.accepted_tokens;
    }
  }
  if (stop || full) {
    finish(id, stop ? Finish::kStop : Finish::kLength);
    return false;
  }
  scheduler.append(id, token, sequence.on_drafts);
  if (speculate) sequence.drafter.add({&token, 1});
  if (!request.hurries.empty() && !hurry_again(id)) return false;
  if (request.end_loops && sequence.haste < grammar::Haste::kShortest &&
      sequence.out.tokens.size() % kLoopStride == 0 && ends_in_loop(sequence.out.tokens)) {
    ++stats.loops;
    return wrap_up(id, grammar::Haste::kShortest, Finish::kLoop);
  }
  return true;
}

// The sequence ends as its form allows; here and now if it has none. False: it has ended.
bool Engine::Impl::wrap_up(SequenceId id, grammar::Haste haste, Finish otherwise) {
  Sequence& sequence = sequences.at(id);
  CHECK(haste > sequence.haste, "sequence {} wraps up twice", id);
  CHECK(otherwise == Finish::kDeadline || otherwise == Finish::kLoop, "sequence {}", id);
  sequence.haste = haste;
  const auto& guide = sequence.in.request.guide;
  if (guide && guide->wrap_up(haste)) return true;
  finish(id, otherwise);
  return false;
}

// Takes what is known of the answer from before. The guide is asked first, as for any token: what
// it says depends on having been asked, and a record that does not fit must not get past it.
bool Engine::Impl::take_resumed(SequenceId id) {
  const std::vector<Sampled> resumed = std::move(sequences.at(id).in.request.resumed);
  const std::shared_ptr<grammar::Guide> guide = sequences.at(id).in.request.guide;
  for (const Sampled& token : resumed) {
    if (token.id < 0 || token.id >= model->config.vocab_size) return true;
    if (guide) {
      const std::optional<TokenId> forced = guide->forced();
      if (forced && *forced != token.id) return true;
      mask.allow_all();
      if (!forced && guide->mask(mask) && !mask.allowed(token.id)) return true;
    }
    if (!take(id, token)) return false;
  }
  return true;
}

// Takes all tokens that the guide forces next; they go through the model together.
bool Engine::Impl::take_forced(SequenceId id) {
  const std::shared_ptr<grammar::Guide> guide = sequences.at(id).in.request.guide;
  if (!guide) return true;
  while (const std::optional<TokenId> token = guide->forced()) {
    if (!take(id, Sampled{*token})) return false;
  }
  return true;
}

void Engine::Impl::finish(SequenceId id, Finish reason, std::optional<Error> error) {
  const auto at = sequences.find(id);
  CHECK(at != sequences.end(), "sequence {}", id);
  scheduler.remove(id);
  Sequence sequence = std::move(at->second);
  if (sequence.state >= 0) states.release(sequence.state);
  sequences.erase(at);
  CHECK((reason == Finish::kError) == error.has_value(), "an error and its text");
  CHECK(std::ssize(sequence.out.tokens) <= sequence.generated_max(), "sequence {}", id);
  const int64_t now = env.mono_ns();
  const int64_t started = sequence.started_ns != 0 ? sequence.started_ns : now;
  const int64_t first = sequence.first_token_ns != 0 ? sequence.first_token_ns : now;
  Completion& out = sequence.out;
  out.finish = reason;
  out.error = std::move(error);
  out.usage.generated_tokens = static_cast<int>(out.tokens.size());
  out.usage.queue_seconds = seconds(started - sequence.in.submitted_ns);
  out.usage.prefill_seconds = seconds(std::max<int64_t>(first - started, 0));
  out.usage.decode_seconds = seconds(now - std::max(first, started));
  if (sequence.in.request.on_done) sequence.in.request.on_done(std::move(out));
  --outstanding;
}

void Engine::Impl::publish() {
  stats.running = scheduler.admitted();
  stats.waiting = scheduler.waiting();
  stats.blocks = pool.size();
  stats.blocks_used = scheduler.used();
  stats.blocks_cached = scheduler.tree().evictable();
  stats.preemptions = scheduler.preemptions();
  stats.copied_blocks = scheduler.copies();
  const PrefixTree::Stats& tree = scheduler.tree().stats();
  stats.evicted_blocks = tree.evicted;
  stats.spilled_blocks = tree.spilled;
  stats.restored_blocks = tree.restored;
  stats.damaged_blocks = tree.damaged;
  CHECK(stats.running + stats.waiting == std::ssize(sequences), "a sequence is lost");
  CHECK(!sequences.empty() || stats.blocks_used == 0, "{} blocks leak", stats.blocks_used);
  const std::scoped_lock lock(mutex);
  published = stats;
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
  impl_->thread = std::thread([state = impl_.get()] { state->loop(); });
}

Engine::~Engine() {
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_one();
  CHECK(impl_->thread.get_id() != std::this_thread::get_id(), "an engine cannot end itself");
  impl_->thread.join();
}

Result<std::unique_ptr<Engine>> Engine::create(std::shared_ptr<ModelInstance> model,
                                               const EngineOptions& options, Env& env) {
  CHECK(model != nullptr, "an engine without a model");
  CHECK(model->family != nullptr, "{} has weights and no family", model->name);
  CHECK(options.sequences_max > 0 && options.tokens_per_tick > 0);
  auto ops = TRY(tensor::Ops::create({.threads = options.threads, .table = options.table,
                                      .numerics = model->numerics}));
  std::unique_ptr<KvSpill> spill;
  if (!options.spill_directory.empty()) {
    spill = TRY(KvSpill::open(options.spill_directory, KvCache::block_bytes(model->kv_shape()),
                              options.spill_bytes_max, options.spill_seal));
  }
  return std::unique_ptr<Engine>(new Engine(std::make_unique<Impl>(
      std::move(model), options, std::move(ops), std::move(spill), env)));
}

Result<Handle> Engine::submit(Request request) {
  const auto refused = [](std::string message) { return make_error("E0730", std::move(message)); };
  if (request.prompt.empty()) return refused("the prompt has no token");
  if (request.max_tokens < 1) {
    return refused(fmt::format("max_tokens: expected at least 1, found {}", request.max_tokens));
  }
  if (std::abs(request.priority) > Scheduler::kPriorityMax) {
    return refused(fmt::format("priority: expected -{0} to {0}, found {1}",
                               Scheduler::kPriorityMax, request.priority));
  }
  TRY(check_sampling(request.sampling));
  TRY(check_tokens(*impl_->model, request.prompt));
  const auto prompt = static_cast<int64_t>(request.prompt.size());
  const int limit = impl_->context();
  if (prompt >= limit) {
    const bool cache = limit < impl_->model->config.context;
    return make_error("E0731",
                      fmt::format("the prompt has {} tokens, {} holds {}", prompt,
                                  cache ? "the KV cache" : "the model's context", limit),
                      cache ? "shorten the input, or give the engine more memory for its cache"
                            : "shorten the input, or use a model with a longer context");
  }
  Incoming in;
  in.tokens_max = static_cast<int>(std::min<int64_t>(prompt + request.max_tokens, limit));
  CHECK(in.tokens_max > prompt, "a prompt of {} leaves no room", prompt);
  CHECK(in.tokens_max <= impl_->context());
  in.request = std::move(request);
  in.cancelled = std::make_shared<std::atomic<bool>>(false);
  in.submitted_ns = impl_->env.mono_ns();
  const Handle handle(in.cancelled);
  ++impl_->outstanding;
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->inbox.push_back(std::move(in));
  }
  impl_->wake.notify_one();
  return handle;
}

void Engine::run_beside(SideJob job) {
  CHECK(job != nullptr, "nothing to do beside");
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->side_jobs.add(std::move(job));
  }
  impl_->wake.notify_one();
}

const ModelInstance& Engine::model() const { return *impl_->model; }
int Engine::context() const { return impl_->context(); }
int Engine::outstanding() const { return impl_->outstanding; }

EngineStats Engine::stats() const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->published;
}

}  // namespace weft::runtime
