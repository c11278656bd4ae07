// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>

#include "base/digest.h"
#include "base/env.h"
#include "base/file.h"
#include "base/strings.h"
#include "cli/eval_subject.h"
#include "cli/run_input.h"
#include "cli/store_process.h"
#include "cli/sub_workflows.h"
#include "cli/temporary_directory.h"
#include "cli/terminal.h"
#include "worker/process.h"
#include "worker/run_acts.h"
#include "worker/run_context.h"
#include "worker/run_reader.h"
#include "worker/run_report.h"
#include "worker/schema.h"
#include "workflow/input.h"
#include "workflow/loader.h"

namespace weft::cli {
namespace {

constexpr size_t kWorkflowBytesMax = size_t{16} << 20;
// A step that cannot be stopped at once, a query of a database say, is not waited for any longer.
constexpr int64_t kStopGraceUs = 10'000'000;

std::string key_of(std::string_view prompt_ids, std::string_view output_ids) {
  return sha256_hex(fmt::format("{}:", prompt_ids.size()) + std::string(prompt_ids) +
                    std::string(output_ids));
}

std::string bytes_of(const std::vector<int32_t>& ids) {
  std::string bytes;
  for (const int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8) {
      bytes += static_cast<char>(static_cast<uint32_t>(id) >> shift & 0xff);
    }
  }
  return bytes;
}

// Asks every model for the probabilities of its tokens and keeps them until the run that they
// belong to has ended. A run's evidence has the tokens, which are the key: the same tokens after
// the same prompt have the same probabilities, whoever generated them.
class RecordingBackend final : public backend::Backend {
 public:
  explicit RecordingBackend(backend::Backend& inner) : inner_(inner) {}

  std::shared_ptr<backend::ChatCall> chat(backend::ChatRequest request,
                                          backend::ChatCallbacks callbacks) override {
    request.logprobs = true;
    auto done = std::move(callbacks.on_done);
    callbacks.on_done = [this, done = std::move(done)](Result<backend::ChatResult> result) {
      if (result.ok()) record(*result);
      done(std::move(result));
    };
    return inner_.chat(std::move(request), std::move(callbacks));
  }
  bool is_remote(const std::string& model) const override { return inner_.is_remote(model); }
  // Once for each time that it was recorded.
  std::optional<eval::Answer::Spelling> take(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto at = known_.find(key);
    if (at == known_.end()) return std::nullopt;
    CHECK(at->second.times > 0);
    if (--at->second.times > 0) return at->second.spelling;
    eval::Answer::Spelling last = std::move(at->second.spelling);
    known_.erase(at);
    return last;
  }

 private:
  // Other servers tell no token ids: theirs could be anybody's.
  void record(const backend::ChatResult& result) {
    if (result.evidence.output_ids.empty()) return;
    eval::Answer::Spelling spelling{result.content, {}};
    for (const backend::GeneratedToken& token : result.generated) {
      spelling.tokens.push_back({token.bytes, token.logprob});
    }
    const std::string key =
        key_of(bytes_of(result.evidence.prompt_ids), bytes_of(result.evidence.output_ids));
    const std::lock_guard lock(mutex_);
    Known& known = known_[key];
    known.spelling = std::move(spelling);
    ++known.times;
  }

  struct Known {
    eval::Answer::Spelling spelling;
    int64_t times = 0;  // several runs may have asked the same
  };
  backend::Backend& inner_;
  std::mutex mutex_;
  std::map<std::string, Known> known_;
};

Result<std::shared_ptr<const workflow::Workflow>> load_document(const std::string& file) {
  const std::string text = TRY(read_file(file, kWorkflowBytesMax));
  const workflow::Loaded loaded = workflow::load(text);
  for (const auto& problem : loaded.errors) say(workflow::text(problem, file));
  if (loaded.workflow == nullptr) {
    return make_error("E0924", fmt::format("{} is no valid workflow", file),
                      fmt::format("its problems stand above; weft validate {}", file));
  }
  return loaded.workflow;
}

// The one member that text can only be meant for: the required one, or the only one.
std::optional<std::string> text_member(const json::Value& schema) {
  const json::Object* object = schema.if_object();
  const json::Value* required = object ? object->if_contains("required") : nullptr;
  if (required && required->is_array() && required->as_array().size() == 1 &&
      required->as_array()[0].is_string()) {
    return std::string(required->as_array()[0].as_string());
  }
  const json::Value* properties = object ? object->if_contains("properties") : nullptr;
  if (properties && properties->is_object() && properties->as_object().size() == 1) {
    return std::string(properties->as_object().begin()->key());
  }
  return std::nullopt;
}

Result<json::Value> input_for(const workflow::Workflow& definition, const eval::Case& item) {
  const auto refused = [&](std::string message, std::string hint) {
    return make_error("E0923", fmt::format("{}: {}", item.place, message), std::move(hint));
  };
  if (item.input.is_null()) {
    return refused("a workflow takes 'input', found 'messages'", "ask the model: --model NAME");
  }
  if (!item.tools.empty() || std::ranges::any_of(item.expect, [](const eval::Expectation& e) {
        return e.kind == eval::Expectation::Kind::kCall;
      })) {
    return refused("tools and $call belong to a model's answer, not to a workflow's",
                   "ask the model: --model NAME");
  }
  json::Value input = item.input;
  if (input.is_string()) {
    const auto member = text_member(definition.input_schema);
    if (!member) {
      return refused("the input is text, and the workflow has several members it could mean",
                     "\"input\": {\"inquiry\": \"…\"}");
    }
    input = json::Object{{*member, item.input}};
  }
  auto completed = workflow::completed_input(definition, std::move(input));
  if (!completed.ok()) return refused(completed.error().message, completed.error().hint);
  return completed;
}

// What a run waits for, as people say it. `part`: of a sub-workflow, which is named.
std::string wait_text(const worker::RequiredAction& action, bool part) {
  const auto text = [&](std::string_view member) -> std::string {
    const json::Value* value = action.body.if_contains(member);
    return value && value->is_string() ? std::string(value->as_string()) : std::string();
  };
  std::string step = fmt::format("step {}", quoted(action.path));
  if (part) step += fmt::format(" of the sub-workflow {}", quoted(action.workflow));
  if (action.kind == "signal") {
    return fmt::format("the signal {} ({})", quoted(text("name")), step);
  }
  if (action.kind != "approval") {
    return fmt::format("a decision about {}, which was cut off", step);
  }
  const std::string role = text("role");
  return fmt::format("a person's approval ({}{})", step,
                     role.empty() ? "" : fmt::format(", role {}", quoted(role)));
}

// The cases of one evaluation on their way through the executor. All on the loop's thread.
class Evaluation {
 public:
  Evaluation(const EvalOptions& options, const std::vector<eval::Case>& cases,
             std::shared_ptr<const workflow::Workflow> definition, const OnCase& on_case)
      : options_(options), cases_(cases), definition_(std::move(definition)), on_case_(on_case),
        limit_s_(case_limit_s(options)), results_(cases.size()) {
    out_.subject.kind = "workflow";
    out_.subject.name = options.workflow;
    out_.subject.settings = {{"workflow hash", definition_->hash},
                             {"model in every step", options.model},
                             {"seed", fmt::format("{}", options.seed)}};
    if (limit_s_) {
      out_.subject.settings.emplace_back("seconds for a case", fmt::format("{:g}", *limit_s_));
    }
  }
  // Models stop before the loop that their answers are posted to.
  ~Evaluation() {
    if (process_) process_->executor().shutdown();
    router_.reset();
    process_.reset();
  }

  Status start() {
    for (const eval::Case& item : cases_) inputs_.push_back(TRY(input_for(*definition_, item)));
    definitions_ = TRY(sub_workflows(*definition_, options_.workflow));
    const Config config = TRY(load_config(options_.grants.config));
    router_ = TRY(eval_models(options_, config));
    if (!options_.model.empty()) TRY(eval_model(*router_, options_.model));
    recorder_ = std::make_unique<RecordingBackend>(*router_);
    directory_ = TRY(TemporaryDirectory::create());
    const worker::StorePlace store(directory_->path() + "/store.db");
    worker::ProcessOptions process =
        TRY(process_options(store, *router_, options_.grants, config));
    process.backend = recorder_.get();
    reader_ = TRY(worker::open_journal_store(store));
    process_ = TRY(worker::Process::start(std::move(process),
                                          [this](const worker::Notice& n) { on_notice(n); }));
    return ok_status();
  }

  Result<Evaluated> run() {
    process_->loop().on_interrupt([this] {
      out_.interrupted = true;
      process_->loop().default_interrupts();
      process_->stop();
    });
    process_->loop().post([this] { submit_more(); });
    if (Status ran = process_->run(); !ran.ok()) return std::move(ran).error();
    if (failed_) return std::move(*failed_);
    std::vector<std::string> models(models_.begin(), models_.end());
    out_.subject.model = join(models, ", ");
    out_.results = ended_cases(std::move(results_));
    out_.interrupted = out_.interrupted && out_.results.size() < cases_.size();
    return std::move(out_);
  }

 private:
  struct Running {
    size_t index = 0;
    int64_t begin_ns = 0;
    worker::Loop::TimerId timer = 0;    // of its limit; once it is stopped, of the patience left
    std::optional<Error> stopped = {};  // why
  };

  void submit_more() {
    const auto parallel = static_cast<size_t>(options_.parallel);
    while (!out_.interrupted && next_ < cases_.size() && running_.size() < parallel) {
      worker::NewRun request;
      request.workflow = definition_;
      request.input = std::move(inputs_[next_]);
      request.definitions = definitions_;
      request.context = worker::to_json(worker::RunContext{
          .roots = {std::filesystem::current_path().string()}, .model = options_.model});
      request.seed = options_.seed;
      const int64_t begin = real_env().mono_ns();
      auto run = process_->executor().submit(std::move(request));
      if (!run.ok()) return fail(std::move(run).error());
      Running& running = running_[*run];
      running.index = next_++;
      running.begin_ns = begin;
      if (!limit_s_) continue;
      running.timer = process_->loop().after(
          static_cast<int64_t>(*limit_s_ * 1e6), [this, id = *run, index = running.index] {
            stop_case(id, case_too_long(cases_[index], *limit_s_));
          });
    }
    if (running_.empty()) process_->stop();
  }

  void fail(Error error) {
    failed_ = std::move(error);
    process_->stop();
  }

  void on_notice(const worker::Notice& notice) {
    // Later: the executor is still in the middle of telling us.
    if (notice.kind == worker::Notice::Kind::kStep &&
        (notice.status == "waiting" || notice.status == "unknown")) {
      process_->loop().post([this, run = notice.run] { look_for_wait(run); });
    }
    if (notice.kind != worker::Notice::Kind::kRun || !notice.terminal) return;
    if (!running_.contains(notice.run)) return;  // a sub-workflow's
    finish_case(notice.run);
  }

  // The run of the case that this one does a part of; nothing: it has ended.
  Result<std::map<std::string, Running>::const_iterator> case_of(std::string run) const {
    for (;;) {
      const auto at = running_.find(run);
      if (at != running_.end()) return at;
      run = TRY(worker::run_owner(*reader_, run)).parent;
      if (run.empty()) return running_.end();
    }
  }

  // When the first of the steps that wait for this part of a case gives up; 0: none does.
  Result<int64_t> part_until(std::string run) const {
    int64_t first_us = 0;
    while (!running_.contains(run)) {
      const std::string parent = TRY(worker::run_owner(*reader_, run)).parent;
      CHECK(!parent.empty(), "run {} is a part of no case", run);
      const int64_t until_us = TRY(worker::child_waited_until(*reader_, parent, run));
      if (until_us != 0 && (first_us == 0 || until_us < first_us)) first_us = until_us;
      run = parent;
    }
    return first_us;
  }

  // Nobody is there to answer: what would wait longer than the case may take has no answer.
  void look_for_wait(const std::string& run) {
    const auto found = case_of(run);
    if (!found.ok()) return fail(found.error());
    const auto at = *found;
    if (at == running_.end() || at->second.stopped) return;
    const auto actions = worker::required_actions(*reader_, {.run = run});
    if (!actions.ok()) return fail(actions.error());
    const eval::Case& item = cases_[at->second.index];
    for (const worker::RequiredAction& action : *actions) {
      if (ends_in_time(action.deadline_us, at->second)) continue;
      const auto until_us = part_until(run);
      if (!until_us.ok()) return fail(until_us.error());
      if (ends_in_time(*until_us, at->second)) return;
      std::string message = fmt::format("{}: the run waits for {}", item.place,
                                        wait_text(action, run != at->first));
      return stop_case(at->first, make_error("E0925", std::move(message),
                                             "an evaluation has nobody who answers; a timeout of "
                                             "that step lets the workflow go on without"));
    }
  }

  // `deadline_us`: of a wait; 0: it has none.
  bool ends_in_time(int64_t deadline_us, const Running& running) const {
    if (deadline_us == 0) return false;
    if (!limit_s_) return true;
    const auto left_us = static_cast<double>(deadline_us - real_env().wall_us());
    const auto used_ns = static_cast<double>(real_env().mono_ns() - running.begin_ns);
    return left_us * 1e-6 < *limit_s_ - used_ns * 1e-9;
  }

  void stop_case(const std::string& run, Error why) {
    const auto at = running_.find(run);
    if (at == running_.end() || at->second.stopped) return;
    Running& running = at->second;
    const std::string reason = why.message;
    running.stopped = std::move(why);
    process_->loop().cancel(running.timer);
    running.timer = process_->loop().after(kStopGraceUs, [this, run] { finish_case(run); });
    // Refused only if it has ended: then the notice of that is on its way.
    (void)process_->executor().cancel(run, "weft eval", reason);
  }

  void finish_case(const std::string& run) {
    const auto at = running_.find(run);
    if (at == running_.end()) return;
    Running running = std::move(at->second);
    running_.erase(at);
    process_->loop().cancel(running.timer);
    const int64_t ns = real_env().mono_ns() - running.begin_ns;
    auto answer = answer_of(run);
    if (!answer.ok()) return fail(std::move(answer).error());
    if (running.stopped && !answer->has_value) answer->error = std::move(running.stopped);
    answer->seconds = static_cast<double>(ns) * 1e-9;
    if (answer->error && out_.first_error.empty()) out_.first_error = answer->error->text();
    results_[running.index] = eval::score(cases_[running.index], *answer);
    on_case_(*results_[running.index]);
    process_->loop().post([this] { submit_more(); });
  }

  Result<eval::Answer> answer_of(const std::string& run) {
    const json::Object document = TRY(worker::read_run_document(*reader_, run));
    eval::Answer answer;
    if (const json::Value* status = document.if_contains("status");
        status != nullptr && status->is_string() && status->as_string() == "succeeded") {
      answer.value = document.at("output");
      answer.has_value = true;
      if (answer.value.is_string()) answer.text = std::string(answer.value.as_string());
    } else {
      answer.error = error_of(document);
    }
    for (const std::string& part : TRY(worker::with_parts(*reader_, run))) {
      for (const worker::AiCallRow& call : TRY(worker::ai_calls(*reader_, part))) {
        add_call(call, answer);
      }
    }
    return answer;
  }

  void add_call(const worker::AiCallRow& call, eval::Answer& answer) {
    answer.tokens_prompt += call.tokens_prompt;
    answer.tokens_reasoning += call.tokens_reasoning;
    answer.tokens_answer += call.tokens_answer;
    models_.insert(call.model);
    out_.subject.fingerprint = call.fingerprint;
    auto spelling = recorder_->take(key_of(call.prompt_ids, call.output_ids));
    if (spelling) answer.spellings.push_back(std::move(*spelling));
  }

  static Error error_of(const json::Object& document) {
    const auto text = [&](std::string_view member) -> std::string {
      const json::Value* error = document.if_contains("error");
      const json::Object* object = error ? error->if_object() : nullptr;
      const json::Value* value = object ? object->if_contains(member) : nullptr;
      return value && value->is_string() ? std::string(value->as_string()) : std::string();
    };
    return make_error(text("code"), text("message"), text("hint"));
  }

  const EvalOptions& options_;
  const std::vector<eval::Case>& cases_;
  std::shared_ptr<const workflow::Workflow> definition_;
  const OnCase& on_case_;
  const std::optional<double> limit_s_;
  std::vector<json::Value> inputs_;
  worker::Definitions definitions_;
  std::unique_ptr<TemporaryDirectory> directory_;
  std::unique_ptr<store::Db> reader_;
  std::unique_ptr<worker::Process> process_;
  std::unique_ptr<RecordingBackend> recorder_;  // until the router's last call has ended
  std::unique_ptr<backend::Router> router_;
  std::map<std::string, Running> running_;
  CaseResults results_;
  size_t next_ = 0;
  std::set<std::string> models_;
  std::optional<Error> failed_;
  Evaluated out_;
};

}  // namespace

Result<Evaluated> evaluate_workflow(const EvalOptions& options,
                                    const std::vector<eval::Case>& cases, const OnCase& on_case) {
  auto definition = TRY(load_document(options.workflow));
  Evaluation evaluation(options, cases, std::move(definition), on_case);
  TRY(evaluation.start());
  return evaluation.run();
}

}  // namespace weft::cli
