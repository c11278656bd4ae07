// SPDX-License-Identifier: Apache-2.0
#include "cli/doctor.h"

#include <sys/sysinfo.h>
#include <unistd.h>

#include <fmt/ranges.h>

#include <filesystem>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/json.h"
#include "cli/config.h"
#include "cli/config_file.h"
#include "cli/exit.h"
#include "cli/terminal.h"
#include "model/config.h"
#include "net/tls_identity.h"
#include "tensor/ops.h"

namespace weft::cli {
namespace {

struct Check {
  std::string name;
  bool good;
  std::string found;
  std::string hint;
};

Check check_processor() {
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool vnni = __builtin_cpu_supports("avx512vnni");
  return {"processor", avx2, vnni ? "AVX-512 with VNNI" : avx2 ? "AVX2" : "older than AVX2",
          avx2 ? "" : "the embedded model needs x86-64 with AVX2 and FMA"};
}

// The table that the engine would choose here, asked of the engine itself.
Check check_kernels() {
  const auto ops = tensor::Ops::create({.threads = 1, .table = {}});
  if (!ops.ok()) return {"kernels", false, ops.error().text(), ""};
  const std::string table(ops.value()->table_name());
  const bool unused = __builtin_cpu_supports("amx-int8") && !table.starts_with("amx");
  return {"kernels", true, table,
          unused ? "the processor has AMX, and the system does not let weft use it" : ""};
}

// Which arithmetic the models of that configuration have, and what it runs on.
Check check_numerics(const std::string& file) {
  const auto config = load_config(file);  // what is wrong with it is told elsewhere
  const bool fast = config.ok() && config->models.numerics == tensor::Numerics::kFast;
  const auto ops = tensor::Ops::create({.threads = 1, .table = {}});
  if (!fast || !ops.ok()) return {"numerics", true, "portable", ""};
  const std::string unit(ops.value()->bf16_unit());
  return {"numerics", true, fmt::format("fast: bf16 weights by {}", unit),
          unit == "fma" ? "without AVX512_BF16 or AMX it gives the same tokens, no sooner than "
                          "portable"
                        : ""};
}

Check check_memory() {
  struct sysinfo info {};
  ::sysinfo(&info);
  const double gib = static_cast<double>(info.totalram) * info.mem_unit / (1 << 30);
  return {"memory", gib >= 1, fmt::format("{:.1f} GiB", gib), gib >= 1 ? "" : "1 GiB at least"};
}

// The store's directory, or its nearest parent that exists, must be writable.
Check check_store() {
  std::filesystem::path path = data_directory();
  while (!path.empty() && !std::filesystem::exists(path) && path.has_parent_path() &&
         path != path.parent_path()) {
    path = path.parent_path();
  }
  const std::string shown = path.empty() ? "." : path.string();
  const bool good = ::access(shown.c_str(), W_OK | X_OK) == 0;
  return {"store", good, default_store_path(),
          good ? "" : fmt::format("{} is not writable; set WEFT_HOME", shown)};
}

// Not a question to the machine, but the first one of whoever brings a model.
Check list_models() {
  std::vector<std::string_view> models;
  for (const model::Architecture& a : model::architectures()) models.push_back(a.models);
  return {"models", true, fmt::format("{}; safetensors, GGUF", fmt::join(models, ", ")), ""};
}

// All problems of the file, the first in full and the others as its causes.
Check check_config(const std::string& file) {
  const auto config = load_config(file);
  if (config.ok()) return {"configuration", true, file, ""};
  return {"configuration", false, config.error().text(), "docs/configuration.md"};
}

// Whether the certificate of the file can be served, and until when.
void check_certificate(const std::string& file, std::vector<Check>& checks) {
  const auto config = load_config(file);
  if (!config.ok() || !config->tls.files.given()) return;
  const auto identity = net::TlsIdentity::load(config->tls.files);
  if (!identity.ok()) {
    return checks.push_back({"certificate", false, identity.error().text(), "docs/security.md"});
  }
  const net::TlsIdentity& found = **identity;
  const int64_t now_s = real_env().wall_us() / 1'000'000;
  const bool good = found.begins_s() <= now_s && now_s < found.ends_s();
  checks.push_back({"certificate", good,
                    fmt::format("{}, until {}", found.names(),
                                iso8601(found.ends_s() * 1'000'000)),
                    good ? "" : "clients will refuse it: it has expired or is not valid yet"});
}

}  // namespace

int run_doctor(const DoctorOptions& options) {
  bool all_good = true;
  json::Array list;
  std::vector<Check> checks{check_processor(), check_kernels(), check_numerics(options.config),
                            check_memory(),    check_store(),   list_models()};
  if (!options.config.empty()) {
    checks.push_back(check_config(options.config));
    check_certificate(options.config, checks);
  }
  for (const Check& check : checks) {
    all_good = all_good && check.good;
    list.push_back(json::Object{{"name", check.name},
                                {"ok", check.good},
                                {"found", check.found},
                                {"hint", check.hint}});
    if (options.json) continue;
    const std::string mark =
        check.good ? painted("ok", Colour::kGreen) : painted("!!", Colour::kRed);
    say(fmt::format("{} {}: {}{}", mark, check.name, check.found,
                    check.hint.empty() ? "" : " — " + check.hint));
  }
  if (options.json) print_data(json::dump(json::Object{{"ok", all_good}, {"checks", list}}));
  return all_good ? kExitOk : kExitConfiguration;
}

}  // namespace weft::cli
