// SPDX-License-Identifier: Apache-2.0
#include "backend/remote.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <mutex>
#include <set>

#include "backend/answer_form.h"
#include "backend/remote_reply.h"
#include "base/env.h"
#include "base/strings.h"
#include "net/client_thread.h"
#include "net/url.h"

namespace weft::backend {
namespace {

constexpr int64_t kBusyUs = 1'000'000;       // where 429 says nothing about the time
constexpr int64_t kBusyUsMax = 300'000'000;

int64_t now_us() { return real_env().mono_ns() / 1000; }

int64_t busy_us_of(const net::Response& response) {
  const std::string* header = net::find_header(response, "Retry-After");
  int64_t seconds = 0;
  if (header == nullptr) return kBusyUs;
  std::from_chars(header->data(), header->data() + header->size(), seconds);
  return seconds <= 0 ? kBusyUs : std::min(seconds, kBusyUsMax / 1'000'000) * 1'000'000;
}

net::ClientOptions client_options(const RemoteModels& models) {
  net::ClientOptions options;
  options.connections_max = 1024;
  for (const auto& [name, model] : models) {
    for (const Endpoint& endpoint : model.endpoints) {
      const auto url = net::parse_url(endpoint.url);
      if (!url.ok()) continue;  // every request will say so
      options.policy.allowed_hosts.push_back(fmt::format("{}:{}", url->host, url->port));
    }
  }
  return options;
}

// What the prompt begins with: the system text and the tools, which a workflow's requests share.
uint64_t prefix_of_request(const ChatRequest& request) {
  std::string text = request.tools.empty() ? "" : json::dump(request.tools);
  if (!request.messages.empty()) text += json::dump(request.messages[0]);
  return prefix_of(text);
}

Result<Endpoint> endpoint_of(std::string_view text) {
  Endpoint out;
  const size_t star = text.rfind('*');
  if (star != std::string_view::npos) {
    const std::string_view weight = text.substr(star + 1);
    const auto read = std::from_chars(weight.data(), weight.data() + weight.size(), out.weight);
    if (read.ec != std::errc() || read.ptr != weight.data() + weight.size() ||
        !(out.weight > 0) || out.weight > 1e6) {
      return make_error("E0773", fmt::format("{}: the weight should be a positive number",
                                             quoted(text)));
    }
    text = text.substr(0, star);
  }
  const auto url = net::parse_url(text);
  if (!url.ok()) {
    return make_error("E0773", fmt::format("{} is no address of a server: {}", quoted(text),
                                           url.error().message),
                      "for example http://10.0.0.5:8000/v1");
  }
  out.url = text;
  while (out.url.ends_with('/')) out.url.pop_back();
  return out;
}

}  // namespace

Result<RemoteModel> remote_model_of(const std::string& name, std::string_view text) {
  RemoteModel out;
  out.model = name;
  if (const size_t hash = text.find('#'); hash != std::string_view::npos) {
    out.model = text.substr(hash + 1);
    text = text.substr(0, hash);
  }
  const size_t colon = text.find(':');
  const std::string_view word = text.substr(0, colon);
  if (colon != std::string_view::npos && word != "http" && word != "https") {
    out.kind = TRY(remote_kind_of(word));
    text = text.substr(colon + 1);
  }
  for (const std::string_view one : split(text, ',')) {
    out.endpoints.push_back(TRY(endpoint_of(trim(one))));
  }
  return out;
}

namespace {
class RemoteCall;

struct RemoteState {
  RemoteModel model;
  Endpoints endpoints;
};
}  // namespace

struct RemoteBackend::Impl {
  explicit Impl(RemoteModels given) {
    auto client = client_options(given);
    for (auto& [name, model] : given) {
      Endpoints endpoints(model.endpoints, model.breaker);
      models.emplace(name, RemoteState{std::move(model), std::move(endpoints)});
    }
    thread = std::make_unique<net::ClientThread>(std::move(client));
  }

  std::map<std::string, RemoteState> models;  // keys never change
  mutable std::mutex mutex;                   // guards the endpoints of `models`
  std::set<std::shared_ptr<RemoteCall>> calls;  // on the thread
  std::unique_ptr<net::ClientThread> thread;
};

namespace {

// One call: tries one after the other. Everything but cancel() on the backend's thread.
class RemoteCall final : public ChatCall, public std::enable_shared_from_this<RemoteCall> {
 public:
  // What a call needs of its backend.
  struct Place {
    std::mutex& mutex;
    net::ClientThread& thread;
    std::function<void(const std::shared_ptr<RemoteCall>&)> forget;
  };
  RemoteCall(Place place, std::string name, RemoteState* state, ChatRequest request,
             ChatCallbacks callbacks)
      : place_(std::move(place)), name_(std::move(name)), state_(state),
        request_(std::move(request)), callbacks_(std::move(callbacks)),
        called_us_(now_us()) {}

  // The backend may be gone: then the call has ended.
  void cancel() override {
    const std::lock_guard lock(over_mutex_);
    if (over_) return;
    place_.thread.post([self = shared_from_this()] { self->stop(); });
  }

  void begin() {
    if (ended_) return;
    auto form = remote_form(state_->model.kind, state_->model.model, request_);
    if (!form.ok()) return end(std::move(form).error());
    body_ = json::dump(form->body);
    prefix_ = prefix_of_request(request_);
    not_held_ = std::move(form->not_held);
    deadline_us_ = called_us_ + state_->model.total_timeout_ms * 1000;
    if (request_.deadline_ms) {
      deadline_us_ = std::min(deadline_us_, called_us_ + *request_.deadline_ms * 1000);
    }
    try_once();
  }

  void stop() {
    if (ended_) return;
    give_back(Endpoints::Outcome::kNothing);
    ChatResult result;
    if (lost_ != tries_) result = so_far();
    result.finish_reason = "cancelled";
    end(std::move(result));
  }

 private:
  void try_once() {
    if (ended_) return;
    const int64_t now = now_us();
    {
      const std::lock_guard lock(place_.mutex);
      endpoint_ = state_->endpoints.take(prefix_, now, tried_);
      if (!endpoint_ && !tried_.empty()) {  // each had its turn: again, those that live first
        tried_ = dead_;
        endpoint_ = state_->endpoints.take(prefix_, now, tried_);
        if (!endpoint_) tried_.clear();
        if (!endpoint_) endpoint_ = state_->endpoints.take(prefix_, now);
      }
      if (!endpoint_) free_at_us_ = state_->endpoints.free_at_us(now);
    }
    if (!endpoint_) return nobody(now);
    tries_ += 1;
    reply_ = RemoteReply();
    piece_error_.reset();
    silent_ = false;
    tried_at_us_ = now;
    first_at_us_ = 0;
    call_ = place_.thread.client().send(http_request(now), [self = shared_from_this(), at = tries_](
                                                       Result<net::Response> response) {
      if (!self->ended_ && at == self->tries_) self->on_response(std::move(response));
    });
    wait(state_->model.first_timeout_ms);
  }

  net::Request http_request(int64_t now) {
    net::Request out;
    out.method = "POST";
    {
      const std::lock_guard lock(place_.mutex);
      url_ = state_->endpoints.at(*endpoint_).url;
    }
    out.url = url_ + "/chat/completions";
    out.headers = {{"Content-Type", "application/json"}, {"Accept", "text/event-stream"}};
    if (!state_->model.api_key.empty()) {
      out.headers.push_back({"Authorization", "Bearer " + state_->model.api_key});
    }
    out.body = body_;
    out.connect_timeout_ms = state_->model.connect_timeout_ms;
    out.total_timeout_ms = std::max<int64_t>(1, (deadline_us_ - now + 999) / 1000);
    out.response_bytes_max = size_t{128} << 20;
    out.redirects_max = 0;  // a key must not follow one
    out.on_body = [this](std::string_view piece) { on_piece(piece); };
    return out;
  }

  // A server that says nothing is as good as none.
  void wait(int64_t timeout_ms) {
    place_.thread.cancel(timer_);
    timer_ = place_.thread.after(timeout_ms, [self = shared_from_this(), at = tries_] {
      if (self->ended_ || at != self->tries_) return;
      self->silent_ = true;
      self->place_.thread.client().cancel(self->call_);
    });
  }

  void on_piece(std::string_view piece) {
    if (ended_ || piece_error_) return;
    ChatDelta delta;
    const Status read = reply_.feed(piece, delta);
    if (reply_.begun() && first_at_us_ == 0) first_at_us_ = now_us();
    wait(state_->model.pause_timeout_ms);
    tell(delta);
    if (read.ok()) return;
    piece_error_ = read.error();
    // Not from inside of the client's own callback.
    place_.thread.post([self = shared_from_this(), at = tries_] {
      if (!self->ended_ && at == self->tries_) self->place_.thread.client().cancel(self->call_);
    });
  }

  void tell(const ChatDelta& delta) {
    if (!callbacks_.on_delta) return;
    if (delta.reasoning.empty() && delta.content.empty() && delta.calls.empty() &&
        delta.generated.empty()) {
      return;
    }
    told_ = true;
    callbacks_.on_delta(delta);
  }

  // A server that was asked reads the prompt, whether it counts it for us or not.
  void estimate_prompt(ChatResult& result) const {
    if (reply_.has_usage() || tries_ == 0) return;
    result.tokens.prompt = estimated_tokens(body_.size());
  }

  ChatResult so_far() const {
    ChatResult out = reply_.so_far();
    estimate_prompt(out);
    return out;
  }

  // The answer will not be whole. Its server counts what it has read and written, and so do we.
  void tell_lost() {
    if ((!reply_.begun() && !reply_.has_usage()) || lost_ == tries_) return;
    lost_ = tries_;
    if (!callbacks_.on_lost) return;
    ChatResult lost = so_far();
    add_times(lost);
    lost.evidence = evidence();
    callbacks_.on_lost(lost);
  }

  void on_response(Result<net::Response> response) {
    place_.thread.cancel(timer_);
    if (piece_error_) return failed(*piece_error_, piece_error_->code == "E0772");
    const bool mute = silent_ && first_at_us_ == 0;
    if ((mute || (!silent_ && !response.ok())) && endpoint_) dead_.push_back(*endpoint_);
    if (silent_) {
      return failed(unavailable(first_at_us_ == 0 ? "it did not begin to answer in time"
                                                  : "it stopped in the middle of its answer"),
                    true);
    }
    if (!response.ok()) {
      const bool mine = response.error().code == "E0801" || response.error().code == "E0802";
      return failed(mine ? std::move(response).error()
                         : unavailable(response.error().message), !mine);
    }
    if (response->status < 200 || response->status > 299) return refused(*response);
    ChatDelta late;
    auto result = reply_.finish(late);
    if (!result.ok()) return failed(result.error(), result.error().code == "E0772");
    give_back(Endpoints::Outcome::kGood);
    estimate_prompt(*result);
    tell(late);
    finish(std::move(*result));
  }

  // What it says of itself: full, broken, or the request is wrong.
  void refused(const net::Response& response) {
    const int status = response.status;
    const std::string said = fmt::format("{} answered with status {}: {}", url_, status,
                                         remote_refusal(response.body));
    if (status == 429 || (status == 503 && net::find_header(response, "Retry-After"))) {
      give_back(Endpoints::Outcome::kBusy, busy_us_of(response));
      return again(make_error("E0772", said, "the server is full: fewer requests at a time, or "
                                             "another endpoint"));
    }
    if (status == 408 || status >= 500) return failed(unavailable(said), true);
    give_back(Endpoints::Outcome::kGood);
    const bool key = status == 401 || status == 403;
    end(make_error("E0771", said, key ? "is the backend's API key right?"
                                      : status == 404 ? "is the model's name one that the server "
                                                        "knows? NAME=KIND:URL#MODEL"
                                                      : ""));
  }

  Error unavailable(std::string_view why) const {
    return make_error("E0772", fmt::format("the remote model {} ({}): {}", quoted(name_), url_,
                                           why),
                      "look whether its server runs; the request can be made again");
  }

  // A caller whose own time is up says nothing about the server.
  void failed(Error error, bool servers_fault) {
    const bool own_limit =
        request_.deadline_ms && now_us() >= called_us_ + (*request_.deadline_ms - 1) * 1000;
    tell_lost();
    give_back(!servers_fault ? Endpoints::Outcome::kGood
              : own_limit    ? Endpoints::Outcome::kNothing
                             : Endpoints::Outcome::kFailed);
    if (!servers_fault) return end(std::move(error));
    again(std::move(error));
  }

  // Only while nothing was handed on: a caller has no way to take text back.
  void again(Error error) {
    const int64_t pause_us = state_->model.pause_ms * 1000 << std::min(tries_ - 1, 10);
    const bool late = now_us() + pause_us >= deadline_us_;
    if (told_ || late || tries_ > state_->model.retries_max) return end(with_earlier(error));
    errors_[url_] = error.message;
    last_error_ = std::move(error);
    pause(pause_us);
  }

  // Who else was asked, and what each of them said last.
  Error with_earlier(Error error) const {
    for (const auto& [url, said] : errors_) {
      if (url != url_) error.message += fmt::format("; before that, {}", said);
    }
    return error;
  }

  void nobody(int64_t now) {
    if (tries_ > 0 && free_at_us_ < deadline_us_ && tries_ <= state_->model.retries_max &&
        free_at_us_ - now < 2'000'000) {
      return pause(std::max<int64_t>(1000, free_at_us_ - now));
    }
    if (last_error_) return end(with_earlier(*last_error_));
    end(make_error("E0772",
                   fmt::format("no endpoint of the remote model {} may be asked for {} ms: each "
                               "has failed several times", quoted(name_),
                               (free_at_us_ - now) / 1000),
                   "look whether their servers run"));
  }

  void pause(int64_t us) {
    if (endpoint_) tried_.push_back(*endpoint_);
    endpoint_.reset();
    place_.thread.cancel(timer_);
    timer_ = place_.thread.after((us + 999) / 1000,
                                 [self = shared_from_this()] { self->try_once(); });
  }

  void give_back(Endpoints::Outcome outcome, int64_t busy_us = 0) {
    if (!endpoint_ || given_back_ == tries_) return;
    given_back_ = tries_;
    const std::lock_guard lock(place_.mutex);
    state_->endpoints.give_back(*endpoint_, {outcome, tried_at_us_, now_us(), busy_us});
  }

  void add_times(ChatResult& result) const {
    const int64_t now = now_us();
    const int64_t first = first_at_us_ == 0 ? now : first_at_us_;
    result.prefill_seconds = static_cast<double>(first - tried_at_us_) / 1e6;
    result.decode_seconds = static_cast<double>(now - first) / 1e6;
  }

  void finish(ChatResult result) {
    add_times(result);
    if (state_->model.kind == RemoteKind::kWeft && !request_.output_schema.is_null()) {
      result.chosen = chosen_values(request_.output_schema, result.content, answer_tokens(result));
    }
    if (state_->model.kind != RemoteKind::kWeft) result.stop_reason.clear();  // not in our words
    if (!request_.logprobs) result.generated.clear();
    result.evidence = evidence();
    end(std::move(result));
  }

  // weft reports every token; those of the answer are the last ones that spell it.
  static std::vector<GeneratedToken> answer_tokens(const ChatResult& result) {
    size_t bytes = 0;
    size_t from = result.generated.size();
    while (from > 0 && bytes < result.content.size()) {
      bytes += result.generated[--from].bytes.size();
    }
    return {result.generated.begin() + static_cast<std::ptrdiff_t>(from), result.generated.end()};
  }

  Evidence evidence() const {
    Evidence out;
    out.model = reply_.served_model().empty() ? state_->model.model : reply_.served_model();
    out.system_fingerprint = reply_.fingerprint();
    out.sampler = json::Object{{"seed", static_cast<int64_t>(request_.seed >> 1)}};
    if (request_.temperature) out.sampler["temperature"] = *request_.temperature;
    out.remote = json::Object{{"backend", name_},
                              {"endpoint", url_},
                              {"server", name_of(state_->model.kind)},
                              {"tries", tries_},
                              {"reproducible", false}};
    if (!reply_.id().empty()) out.remote["id"] = reply_.id();
    if (!reply_.has_usage()) out.remote["usage"] = "estimated";
    json::Array lost;
    for (const std::string& one : not_held_) lost.emplace_back(one);
    if (!lost.empty()) out.remote["not_held"] = std::move(lost);
    return out;
  }

  void end(Result<ChatResult> result) {
    if (std::exchange(ended_, true)) return;
    place_.thread.cancel(timer_);
    if (call_ != 0) place_.thread.client().cancel(call_);
    const auto self = shared_from_this();
    {
      const std::lock_guard lock(over_mutex_);
      over_ = true;
    }
    place_.forget(self);
    std::exchange(callbacks_, {}).on_done(std::move(result));  // whom it tells may hold the call
  }

  Place place_;
  const std::string name_;
  RemoteState* const state_;
  ChatRequest request_;
  ChatCallbacks callbacks_;
  net::ClientThread::TimerId timer_ = 0;
  const int64_t called_us_;
  int64_t deadline_us_ = 0, free_at_us_ = 0, tried_at_us_ = 0, first_at_us_ = 0;
  std::string body_, url_;
  uint64_t prefix_ = 0;
  std::vector<std::string> not_held_;
  std::vector<size_t> tried_;                  // in this round
  std::vector<size_t> dead_;                   // said nothing at all to this call
  std::map<std::string, std::string> errors_;  // by address: what it said last
  std::optional<size_t> endpoint_;
  std::optional<Error> piece_error_, last_error_;
  net::Client::CallId call_ = 0;
  RemoteReply reply_;
  int tries_ = 0;
  int given_back_ = 0;
  int lost_ = 0;  // the newest try whose answer broke off and was told
  bool told_ = false, silent_ = false, ended_ = false;
  std::mutex over_mutex_;
  bool over_ = false;  // guarded by it: what is in place_ may be gone
};

}  // namespace

RemoteBackend::RemoteBackend(RemoteModels models)
    : impl_(std::make_shared<Impl>(std::move(models))) {}

RemoteBackend::~RemoteBackend() {
  impl_->thread->post([impl = impl_.get()] {
    const auto calls = impl->calls;
    for (const auto& call : calls) call->stop();
  });
  impl_->thread.reset();
}

bool RemoteBackend::knows(const std::string& model) const { return impl_->models.contains(model); }

std::vector<std::string> RemoteBackend::names() const {
  std::vector<std::string> out;
  for (const auto& [name, state] : impl_->models) out.push_back(name);
  return out;
}

std::vector<EndpointFacts> RemoteBackend::endpoints() const {
  std::vector<EndpointFacts> out;
  const int64_t now = now_us();
  const std::lock_guard lock(impl_->mutex);
  for (const auto& [name, state] : impl_->models) {
    for (size_t i = 0; i < state.endpoints.size(); ++i) {
      out.push_back({name, state.endpoints.at(i).url,
                     std::string(state.endpoints.breaker(i, now)),
                     state.endpoints.outstanding(i)});
    }
  }
  return out;
}

std::shared_ptr<ChatCall> RemoteBackend::chat(ChatRequest request, ChatCallbacks callbacks) {
  CHECK(callbacks.on_done != nullptr);
  const auto found = impl_->models.find(request.model);
  if (found == impl_->models.end()) {
    // No call of any server: answered where all answers come from.
    class Nothing final : public ChatCall {
      void cancel() override {}
    };
    const auto known = names();
    Error error = make_error("E0710", fmt::format("there is no remote model {}",
                                                  quoted(request.model)),
                             name_hint(request.model, known));
    impl_->thread->post([error, done = std::move(callbacks.on_done)] { done(error); });
    return std::make_shared<Nothing>();
  }
  Impl* impl = impl_.get();
  std::string name = request.model;
  auto call = std::make_shared<RemoteCall>(
      RemoteCall::Place{impl->mutex, *impl->thread,
                        [impl](const std::shared_ptr<RemoteCall>& it) { impl->calls.erase(it); }},
      std::move(name), &found->second, std::move(request), std::move(callbacks));
  impl->thread->post([impl, call] {
    impl->calls.insert(call);
    call->begin();
  });
  return call;
}

}  // namespace weft::backend
