// SPDX-License-Identifier: Apache-2.0
#include "cli/grants.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "cli/config.h"
#include "cli/config_file.h"

namespace weft::cli {
namespace {

Result<std::string> value_of(const std::string& text) {
  if (!text.starts_with("env:")) return text;
  if (const auto value = environment(text.substr(4))) return *value;
  return make_error("E0905", fmt::format("the environment has no {}", quoted(text.substr(4))));
}

Result<std::pair<std::string, worker::DatabaseGrant>> database_of(const std::string& given) {
  const size_t equals = given.find('=');
  const std::string name = given.substr(0, equals);
  if (equals == std::string::npos || name.empty()) {
    return make_error("E0905", fmt::format("--database {} should be NAME=URL", given),
                      "--database crm=sqlite:crm.db, --database crm=write:postgres://host/db");
  }
  std::string url = given.substr(equals + 1);
  const bool writes = url.starts_with("write:");
  url = TRY(value_of(writes ? url.substr(6) : url));
  if (!url.starts_with("sqlite:") && !url.starts_with("postgres://") &&
      !url.starts_with("postgresql://")) {
    return make_error("E0905", fmt::format("--database {}: expected sqlite:FILE or postgres://…",
                                           name));
  }
  return std::pair(name, worker::DatabaseGrant{url, writes});
}

Result<std::pair<std::string, worker::McpServerSettings>> mcp_server_of(const std::string& given) {
  const size_t equals = given.find('=');
  const std::string name = given.substr(0, equals);
  if (equals == std::string::npos || name.empty() || equals + 1 == given.size()) {
    return make_error("E0905", fmt::format("--mcp {} should be NAME=COMMAND or NAME=URL", given),
                      "--mcp files='npx @modelcontextprotocol/server-filesystem /data'");
  }
  worker::McpServerSettings out;
  const std::string what = TRY(value_of(given.substr(equals + 1)));
  if (what.starts_with("http://") || what.starts_with("https://")) {
    out.url = what;
  } else {
    for (const std::string_view word : split(what, ' ')) {
      if (!word.empty()) out.command.emplace_back(word);
    }
    out.environment = program_environment();
  }
  return std::pair(name, std::move(out));
}

}  // namespace

std::vector<std::string> words_of(const Grants& grants) {
  std::vector<std::string> words;
  const auto add = [&words](const char* flag, const std::vector<std::string>& values) {
    for (const std::string& value : values) {
      words.emplace_back(flag);
      words.push_back(value);
    }
  };
  const auto add_one = [&add](const char* flag, const std::string& value) {
    if (!value.empty()) add(flag, {value});
  };
  add("--allow-host", grants.hosts);
  add("--database", grants.databases);
  add("--backend", grants.backends);
  add("--mcp", grants.mcp);
  add_one("--config", grants.config);
  add_one("--kv", grants.model.kv);
  add_one("--numerics", grants.model.numerics);
  add_one("--smtp", grants.smtp);
  add_one("--mail-from", grants.mail_from);
  if (grants.shell) words.emplace_back("--allow-shell");
  return words;
}

std::map<std::string, std::string> program_environment() {
  std::map<std::string, std::string> out;
  for (const char* name : {"PATH", "HOME", "LANG"}) {
    if (const auto value = environment(name)) out[name] = *value;
  }
  return out;
}

Result<worker::ToolSettings> tool_settings(const Grants& grants) {
  worker::ToolSettings out;
  out.shell = grants.shell;
  for (const std::string& given : grants.databases) {
    out.databases.insert(TRY(database_of(given)));
  }
  for (const std::string& given : grants.mcp) out.mcp.insert(TRY(mcp_server_of(given)));
  if (grants.smtp.empty()) return out;
  out.smtp_url = TRY(value_of(grants.smtp));
  out.mail_from = grants.mail_from;
  const size_t begin = out.smtp_url.find("://");
  if (begin == std::string::npos || out.mail_from.empty()) {
    return make_error("E0905", "--smtp smtp://HOST:PORT goes with --mail-from ADDRESS");
  }
  if (const size_t at = out.smtp_url.find('@'); at != std::string::npos) {
    out.smtp_user = out.smtp_url.substr(begin + 3, at - begin - 3);
    out.smtp_url.erase(begin + 3, at - begin - 2);
    out.smtp_password = environment("WEFT_SMTP_PASSWORD").value_or("");
  }
  return out;
}

Result<worker::ToolSettings> tool_settings(const Grants& grants, const Config& config) {
  worker::ToolSettings out = TRY(tool_settings(grants));
  out.mcp.insert(config.mcp.servers.begin(), config.mcp.servers.end());
  out.secrets = config.secrets;
  return out;
}

}  // namespace weft::cli
