// SPDX-License-Identifier: Apache-2.0
#include "cli/serve.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include "backend/direct.h"
#include "base/env.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "cli/backends.h"
#include "cli/config.h"
#include "cli/config_file.h"
#include "cli/demo_model.h"
#include "cli/exit.h"
#include "cli/offered_runs.h"
#include "cli/run_session.h"
#include "cli/spill_seal.h"
#include "cli/store_process.h"
#include "cli/terminal.h"
#include "cli/tls_reload.h"
#include "model/weights.h"
#include "net/client.h"
#include "net/http_server.h"
#include "obs/log.h"
#include "security/keys.h"
#include "security/oidc.h"
#include "security/people.h"
#include "server/access.h"
#include "server/keys_api.h"
#include "server/mcp_api.h"
#include "server/otlp.h"
#include "server/replay_api.h"
#include "server/overview.h"
#include "server/routes.h"
#include "server/runs.h"
#include "server/session_store.h"
#include "server/stored_responses.h"
#include "worker/callbacks.h"
#include "worker/process.h"
#include "worker/retention.h"
#include "worker/schema.h"

namespace weft::cli {
namespace {

constexpr int64_t kYearS = int64_t{365} * 86'400;
constexpr int64_t kIdleGraceMs = 1'000;
constexpr int64_t kAdoptMax = 64;  // runs of dead workers that are taken over
constexpr int64_t kConnections = 16'384;  // at once, unless weft.yaml says otherwise
constexpr int64_t kOtherFiles = 256;      // store, models, calls to others
constexpr int64_t kServeParkUs = 60'000'000;  // a run that only lets more time pass is parked

bool is_loopback(std::string_view host) { return host == "::1" || host.starts_with("127."); }

// A thousand clients are a thousand files. How many files there may be.
int64_t raise_file_limit() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return INT64_MAX;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY) return INT64_MAX;
  return static_cast<int64_t>(files.rlim_cur);
}

// As many as are wanted, and as leave files for everything else.
size_t connections_for(std::optional<int64_t> wanted, int64_t files) {
  const int64_t room = std::max<int64_t>(files - kOtherFiles, files / 2);
  const int64_t count = wanted.value_or(kConnections);
  if (count > room) {
    const std::string text = fmt::format(
        "at most {} connections at once instead of {}: {} files may be open; the hard limit is "
        "raised by `ulimit -Hn` or LimitNOFILE= of the unit", room, count, files);
    if (wanted) say("note: " + text);
    obs::log(obs::Level::kWarning, "serve", "{}", text);
  }
  return static_cast<size_t>(std::min(count, room));
}

obs::Level log_level(const std::string& name) {
  if (name == "debug") return obs::Level::kDebug;
  if (name == "info") return obs::Level::kInfo;
  return name == "error" ? obs::Level::kError : obs::Level::kWarning;
}

std::optional<int64_t> mebibytes(std::optional<uint64_t> bytes) {
  if (!bytes) return std::nullopt;
  return std::max<int64_t>(1, static_cast<int64_t>(*bytes >> 20));
}

// What the file says, where no flag says otherwise.
void apply_config(const Config& config, ServeOptions& options) {
  const ServerConfig& server = config.server;
  const auto set = [&](const char* flag, auto& value, const auto& given) {
    if (given && !options.given.contains(flag)) value = *given;
  };
  set("--host", options.host, server.host);
  set("--port", options.port, server.port);
  set("--store", options.store.path, server.store);
  options.store = with_config(std::move(options.store), config);
  set("--files", options.files, server.files);
  set("--api-key-file", options.key_file, server.api_key_file);
  set("--no-preload", options.preload, server.preload);
  set("--drain", options.drain_s, server.drain_s);
  set("--kv-memory", options.kv_memory_mib, mebibytes(config.models.kv_bytes));
  set("--model-memory", options.model_memory_mib, mebibytes(config.models.memory_bytes));
  if (!options.given.contains("--tls-cert")) options.tls = config.tls.files;
  options.tls.only_13 = config.tls.files.only_13;
  const auto add = [](auto& list, const auto& more) {
    list.insert(list.end(), more.begin(), more.end());
  };
  add(options.workflows, server.workflows);
  add(options.origins, server.origins);
}

// Where it really listens decides who needs a key.
Status take_activated_socket(ServeOptions& options) {
  const auto listening = TRY(activated_socket());
  if (!listening) return ok_status();
  const net::ListenAddress at = TRY(net::address_of(*listening));
  options.listening = *listening;
  options.host = at.host;
  options.port = at.port;
  return ok_status();
}

Result<std::vector<std::string>> keys_of(const ServeOptions& options) {
  std::vector<std::string> keys;
  if (!options.key_file.empty()) {
    const std::string text = TRY(read_file(options.key_file));
    for (const std::string_view line : split(text, '\n')) {
      if (!trim(line).empty()) keys.emplace_back(trim(line));
    }
    if (keys.empty()) {
      return make_error("E0940", fmt::format("{} holds no API key", options.key_file),
                        "write one key a line, for example of: openssl rand -hex 32");
    }
  }
  return keys;
}

// Keys of the store, read before the first request can come; `others`: there are other ways in. A
// store whose keys nobody can check, or a port that others can reach without a key, is no way to
// start.
Status read_keys(const worker::StorePlace& store, const ServeOptions& options, bool others,
                 server::Access& access) {
  const auto db = TRY(worker::open_journal_store(store));
  auto keys = TRY(security::list_keys(*db, std::nullopt));
  const bool passwords = TRY(security::has_people(*db));
  access.set_passwords(passwords);
  if (keys.empty() && !others && !passwords && !is_loopback(options.host)) {
    return make_error("E0940",
                      fmt::format("listening at {} would let anybody who reaches this machine use "
                                  "its models and run its workflows", options.host),
                      "weft keys create --name NAME --role admin, or listen at 127.0.0.1");
  }
  access.set_keys(std::move(keys), TRY(security::keys_version(*db)));
  return ok_status();
}

// The pepper is made when it is first needed, but not beside keys that were hashed under another.
Result<security::Secret> pepper_for(const worker::StorePlace& store, const Config& config) {
  if (has_pepper(config)) return pepper_of(config);
  const auto db = TRY(worker::open_journal_store(store));
  const auto keys = TRY(security::list_keys(*db, std::nullopt));
  const int64_t now_us = real_env().wall_us();
  const bool held = std::any_of(keys.begin(), keys.end(), [&](const security::Key& key) {
    return security::holds(key, now_us);
  });
  if (held) return security::secret_file(data_directory() + "/pepper", false);
  return pepper_of(config);
}

Result<backend::ModelsOptions> models_of(const ServeOptions& options) {
  backend::ModelsOptions out;
  out.load = {.precision = TRY(model::precision_of(options.precision)),
              .threads = options.threads};
  out.engine.threads = options.threads;
  out.engine.kv_bytes_max = static_cast<size_t>(options.kv_memory_mib) << 20;
  out.engine.spill_directory = options.kv_spill;
  out.engine.spill_bytes_max = static_cast<uint64_t>(options.kv_spill_mib) << 20;
  if (!options.kv_spill.empty()) out.engine.spill_seal = make_spill_seal();
  out.memory_bytes_max = static_cast<uint64_t>(options.model_memory_mib) << 20;
  out.names["weft-mini"] = "";
  for (const std::string& given : options.models) {
    const size_t equals = given.find('=');
    std::string source = given.substr(equals == std::string::npos ? 0 : equals + 1);
    std::string name = equals == std::string::npos
                           ? std::filesystem::path(source).lexically_normal().stem().string()
                           : given.substr(0, equals);
    if (name.empty() || source.empty()) {
      return make_error("E0904", fmt::format("--model {} should be NAME=SOURCE", given),
                        "weft serve --model qwen=./Qwen3-0.6B");
    }
    if (!file_exists(source)) {
      return make_error("E0904", fmt::format("--model {}: there is no file or directory {}", given,
                                             quoted(source)));
    }
    if (!out.names.contains("default")) out.names["default"] = source;
    out.names[name] = std::move(source);
  }
  return out;
}

// Everything of a server, in the order in which it may be born and must die.
class Serving {
 public:
  Serving(const ServeOptions& options, const Config& config)
      : options_(options), config_(config) {}

  // Models stop before the loop that their answers are posted to.
  ~Serving() {
    replay_.stop = true;
    if (callbacks_) callbacks_->stop();
    if (witness_) witness_->stop();
    if (retention_) retention_->stop();
    if (otlp_) otlp_->stop();
    if (tls_) tls_->stop();
    collector_.reset();
    provider_.reset();
    http_.reset();
    mcp_.reset();
    if (process_) process_->executor().shutdown();
    backend_.reset();
    process_.reset();
  }

  Status start() {
    files_ = raise_file_limit();
    TRY(make_access());
    replay_.store = TRY(prepare_store(options_.store));
    backend_ = TRY(open_router(TRY(models_of(options_)), options_.grants, config_.models));
    worker::ProcessOptions process =
        TRY(process_options(replay_.store, *backend_, options_.grants, config_));
    process.adopt_max = kAdoptMax;
    process.park_us = kServeParkUs;
    process.checkpoint = TRY(checkpoint_of(config_, replay_.store.path));
    process.on_tokens = [this](const std::string& key, int64_t tokens) {
      access_->charge(key, tokens);
    };
    process_ = TRY(worker::Process::start(std::move(process), [this](const auto& notice) {
      if (runs_) runs_->tell(notice);
      if (callbacks_ && notice.kind == worker::Notice::Kind::kRun && notice.terminal) {
        callbacks_->poke();
        if (otlp_) otlp_->ended(notice.run);
      }
    }));
    context_ = std::make_unique<server::ServerContext>(server::ServerContext{
        real_env(), process_->loop(), process_->pool(), *backend_, backend_->local(), metrics_});
    runs_ = TRY(server::Runs::open(real_env(), process_->loop(), process_->pool(), metrics_,
                                   TRY(offered_runs(options_.store, options_.files,
                                                    options_.workflows))));
    runs_->set_executor(process_->executor());
    context_->runs = runs_.get();
    add_outside();
    open_signin();
    context_->access = &*access_;
    context_->audit = [this](security::AuditRecord record) {
      process_->journal().audit(std::move(record));
    };
    context_->redaction = config_.redaction;
    context_->checkpoints_file = checkpoints_of(config_, replay_.store.path);
    context_->audit_seed = TRY(audit_key(config_));
    context_->responses = &responses_;
    context_->replay = &replay_;
    overview_ = std::make_unique<server::Overview>(*context_);
    context_->overview = overview_.get();
    context_->started_s = real_env().wall_us() / 1'000'000;
    context_->http_stats = [this] { return http_ ? http_->stats() : net::HttpServerStats{}; };
    context_->work = [this] { return work(); };
    net::HttpServerOptions http_options = TRY(listening());
    server::set_access(*context_, http_options);
    server::watch_keys(*context_);
    server::watch_sessions(*context_);
    http_ = TRY(net::HttpServer::start(process_->loop().io_context(),
                                       server::make_router(*context_), std::move(http_options)));
    callbacks_ = TRY(callback_sender(*process_, replay_.store, config_));
    callbacks_->start();
    witness_ = TRY(checkpoint_sender(*process_, replay_.store, config_));
    if (witness_) witness_->start();
    context_->witness = witness_.get();
    if (config_.retention.given()) TRY(start_retention());
    if (!config_.traces.endpoint.empty()) start_traces();
    if (tls_) {
      tls_->start([this](const auto& identity) { http_->set_tls(identity); });
      process_->loop().on_hangup([this] { tls_->now(); });
    }
    process_->loop().on_interrupt([this] { drain(); });  // before anybody is told of the URL
    if (options_.preload) {
      load_default_model();
    } else {
      context_->ready = true;  // for all that it can do: whoever asks a model first waits for it
    }
    return ok_status();
  }

  std::string url() const {
    const bool v6 = options_.host.find(':') != std::string::npos;
    const std::string host = v6 ? "[" + options_.host + "]" : options_.host;
    return fmt::format("{}://{}:{}", tls_ ? "https" : "http", host, http_->port());
  }

  server::Metrics::States::Work work() const {
    const worker::Process::StepsWaiting waiting = process_->steps_waiting();
    return {process_->journal().left_alone(), waiting.files, waiting.commands, waiting.peers};
  }

  // The operator names the collector, so it may lie in a private network.
  void start_traces() {
    collector_ = std::make_unique<net::Client>(process_->loop().io_context(),
                                               net::ClientOptions{.policy = {true, {}}});
    server::OtlpOptions options{.endpoint = config_.traces.endpoint, .headers = {}};
    if (!config_.traces.authorization.empty()) {
      options.headers.push_back({"Authorization", config_.traces.authorization});
    }
    otlp_ = std::make_shared<server::Otlp>(*context_, *collector_, std::move(options));
  }

  Status start_retention() {
    worker::RetentionRules rules;
    rules.every_us = config_.retention.every_us;
    rules.audit_us = config_.retention.audit_us;
    rules.runs_us = config_.retention.runs_us;
    rules.checkpoints = context_->checkpoints_file;
    rules.seed = context_->audit_seed;
    retention_ = std::make_shared<worker::Retention>(
        process_->loop(), process_->pool(), std::move(rules),
        [store = replay_.store] { return worker::open_journal_store(store); },
        [this](const worker::Retained& retained) {
          for (security::AuditRecord& record : worker::retention_records(retained)) {
            context_->audit(std::move(record));
          }
        });
    context_->retention = retention_.get();
    retention_->start();
    return ok_status();
  }

  Status make_access() {
    const worker::StorePlace store = TRY(prepare_store(options_.store));
    std::vector<std::string> keys = TRY(keys_of(options_));
    const bool key_file = !keys.empty();
    access_.emplace(real_env(), server::AccessOptions{
        .keys = std::move(keys),
        .origins = options_.origins,
        .loopback = is_loopback(options_.host),
        .secure = options_.tls.given() || config_.oidc.redirect_url.starts_with("https:"),
        .people = config_.oidc.given(),
        .people_rules = security::rules_digest(config_.oidc),
        .pepper = TRY(pepper_for(store, config_)),
        .requests_per_minute = config_.security.requests_per_minute,
        .tokens_per_minute = config_.security.tokens_per_minute});
    return read_keys(store, options_, key_file || config_.oidc.given(), *access_);
  }

  Status run() {
    Status ended = process_->run();
    if (witness_) witness_->finish();
    return ended;
  }

 private:
  // Browsers would keep HSTS for every server at "localhost", whatever its port.
  Result<net::HttpServerOptions> listening() {
    net::HttpServerOptions out;
    out.host = options_.host;
    out.port = options_.port;
    out.listening = options_.listening;
    out.idle_grace_ms = kIdleGraceMs;
    out.connections_max = connections_for(config_.server.connections, files_);
    if (!options_.tls.given()) return out;
    tls_ = std::make_shared<TlsReload>(options_.tls, process_->loop(), process_->pool(),
                                       real_env());
    out.tls = TRY(tls_->first());
    const int64_t hsts_s = config_.tls.hsts_s.value_or(is_loopback(options_.host) ? 0 : kYearS);
    if (hsts_s > 0) {
      out.tls_headers.push_back(
          {"Strict-Transport-Security", fmt::format("max-age={}", hsts_s)});
    }
    return out;
  }

  // The operator names the provider, so it may lie in a private network.
  void open_signin() {
    if (!config_.oidc.given()) return;
    provider_ = std::make_unique<net::Client>(
        process_->loop().io_context(),
        net::ClientOptions{.policy = {true, {}}, .ca_file = config_.oidc.ca_file});
    oidc_ = std::make_shared<security::Oidc>(real_env(), *provider_, config_.oidc);
    context_->oidc = oidc_.get();
  }

  // Models of other servers, names of routing, and /mcp.
  void add_outside() {
    context_->remote = backend_->remote();
    context_->version = WEFT_VERSION;
    const backend::RoutingConfig& rules = backend_->config();
    for (const auto& [name, profile] : rules.classes) context_->routes.push_back(name);
    for (const auto& [name, profile] : rules.profiles) context_->routes.push_back(name);
    if (rules.has_names("auto")) context_->routes.emplace_back("auto");
    mcp_ = std::make_unique<server::McpEndpoint>(
        *context_, std::make_shared<server::McpDocuments>(config_.mcp.resources,
                                                          config_.mcp.prompts));
    context_->mcp = mcp_.get();
  }

  // So that the first request need not wait for it, and a broken model is known at once.
  void load_default_model() {
    backend::model_facts(backend_->local(), "default", [this](Result<backend::ModelFacts> facts) {
      auto told = std::make_shared<Result<backend::ModelFacts>>(std::move(facts));
      process_->loop().post([this, told] {
        context_->ready = told->ok();
        if (!told->ok()) return say_error(told->error());
        say(fmt::format("model {} is loaded; context {} tokens", (*told)->source,
                        (*told)->context));
        if ((*told)->source.ends_with("(embedded)")) say(std::string(kDemoModelLine));
      });
    });
  }

  void drain() {
    process_->loop().default_interrupts();  // a second Ctrl-C ends the process at once
    say(fmt::format("stopping; answers under way have {} s", options_.drain_s));
    context_->draining = true;
    if (mcp_) mcp_->drain();
    http_->stop(options_.drain_s * 1000, [this] { process_->stop(); });
  }

  const ServeOptions& options_;
  const Config& config_;
  int64_t files_ = 0;  // that may be open
  std::optional<server::Access> access_;
  server::Metrics metrics_;
  server::StoredResponses responses_;
  server::ReplayState replay_;
  std::unique_ptr<server::Runs> runs_;
  std::unique_ptr<server::ServerContext> context_;
  std::unique_ptr<server::Overview> overview_;
  std::unique_ptr<backend::Router> backend_;
  std::unique_ptr<worker::Process> process_;
  std::unique_ptr<server::McpEndpoint> mcp_;
  std::shared_ptr<worker::CallbackSender> callbacks_;
  std::shared_ptr<worker::CheckpointSender> witness_;
  std::shared_ptr<worker::Retention> retention_;
  std::shared_ptr<TlsReload> tls_;
  std::unique_ptr<net::Client> provider_;  // of identities
  std::shared_ptr<security::Oidc> oidc_;
  std::unique_ptr<net::Client> collector_;
  std::shared_ptr<server::Otlp> otlp_;
  std::unique_ptr<net::HttpServer> http_;
};

}  // namespace

int run_serve(ServeOptions options) {
  const auto config = load_config(options.config);
  if (!config.ok()) {
    say_error(config.error());
    return kExitConfiguration;
  }
  apply_config(*config, options);
  if (!options.config.empty()) {
    obs::configure_log({.level = log_level(config->log.level), .json = config->log.json});
  }
  if (options.tls.given() && options.tls.key.empty()) {
    say_error(make_error("E0904", "--tls-cert needs --tls-key", "both are PEM files"));
    return kExitUsage;
  }
  if (const Status taken = take_activated_socket(options); !taken.ok()) {
    say_error(taken.error());
    return kExitConfiguration;
  }
  Serving serving(options, *config);
  if (const Status started = serving.start(); !started.ok()) {
    say_error(started.error());
    return started.error().code == "E0904" ? kExitUsage : kExitConfiguration;
  }
  if (options.json) {
    print_data(json::dump(json::Object{{"url", serving.url()}, {"pid", ::getpid()}}));
  }
  say(fmt::format("weft listens at {}; the OpenAI API is at {}/v1", serving.url(), serving.url()));
  if (const Status ended = serving.run(); !ended.ok()) {
    say_error(ended.error());
    return kExitFailed;
  }
  return kExitOk;
}

}  // namespace weft::cli
