// SPDX-License-Identifier: Apache-2.0
//
// weft.yaml: what an operator decides about a server, in one file. A section is a struct and a
// function that reads it from the mapping of that name; all problems of the file are found at once,
// each with its line, what was expected and a hint, as those of a workflow are. Flags of the
// command line win over the file.
//
//   server: { host: 127.0.0.1, port: 8700, drain: 30s }
//
// To add a section: a struct with a `read_…` function in config_NAME.h, a member of Config, a line
// in the table of config_file.cc, a paragraph in docs/configuration.md. Paths in the file are
// relative to its directory. A text `env:NAME` or `file:PATH` stands for what is there, so that no
// secret need be written into the file.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cli/config_audit.h"
#include "cli/config_callbacks.h"
#include "cli/config_encryption.h"
#include "cli/config_redaction.h"
#include "cli/config_retention.h"
#include "cli/config_secrets.h"
#include "cli/config_mcp.h"
#include "cli/config_models.h"
#include "cli/config_oidc.h"
#include "cli/config_security.h"
#include "cli/config_server.h"
#include "cli/config_tls.h"
#include "cli/config_traces.h"
#include "workflow/fields.h"

namespace weft::cli {

struct Config {
  std::string file;  // empty: there is none, everything is as usual
  ServerConfig server;
  TlsConfig tls;
  LogConfig log;
  SecurityConfig security;
  EncryptionConfig encryption;
  security::OidcOptions oidc;
  AuditConfig audit;
  RetentionConfig retention;
  CallbacksConfig callbacks;
  security::Redaction redaction;
  TracesConfig traces;
  McpConfig mcp;
  SecretsConfig secrets;
  ModelsConfig models;
};

// Reads and checks the whole file; "" gives the usual values. E0020 unreadable; E0401 to E0404,
// E0410 to E0412, E0440, E0950 what is wrong, the first with the others as its causes.
Result<Config> load_config(const std::string& file);
Result<Config> parse_config(std::string_view text, const std::string& file);

// What the readers of sections share.
struct ConfigScope {
  std::string directory;  // of the file
  std::string path(const std::string& given) const;  // relative to it
};
// A text that may be `env:NAME` or `file:PATH`; E0950 if that is not there.
std::string secret(workflow::Fields& fields, std::string_view key, const ConfigScope& scope);
std::vector<std::string> texts(workflow::Fields& fields, std::string_view key);
// "models: {qwen: {…}, exaone: {…}}": names and what stands behind them, in order.
using ConfigMember = std::pair<std::string, workflow::YamlTree::Node>;
std::vector<ConfigMember> members(workflow::Fields& fields, std::string_view key);
// The same where the section itself is the mapping of names.
std::vector<ConfigMember> all_members(workflow::Fields& fields);

}  // namespace weft::cli
