// SPDX-License-Identifier: Apache-2.0
//
// What a command grants to the workflows that it runs: hosts in private networks, databases and
// models of other servers by name, the arithmetic of its own models, a mail server, commands in
// the sandbox. The same flags wherever workflows run.
//
// A value `env:NAME` is read from the environment, so that passwords stay out of command lines.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/model_flags.h"
#include "worker/tool_settings.h"

namespace weft::cli {

struct Config;

struct Grants {
  std::vector<std::string> hosts;      // that http steps may reach in private networks
  std::vector<std::string> databases;  // NAME=URL, or NAME=write:URL
  ModelFlags model;                    // of local models
  std::string config;                  // weft.yaml: models, routing, MCP servers; empty: none
  std::vector<std::string> backends;   // NAME=[KIND:]URL[,URL…][#MODEL]: models of other servers
  std::vector<std::string> mcp;        // NAME=COMMAND WORDS… or NAME=URL: tools of MCP servers
  bool shell = false;
  std::string smtp;                    // smtp://[user@]host:port; password: WEFT_SMTP_PASSWORD
  std::string mail_from;
};

// The flags that give a command these grants: for a process that goes on with the same run.
std::vector<std::string> words_of(const Grants& grants);

// E0905: a grant that is malformed.
Result<worker::ToolSettings> tool_settings(const Grants& grants);
// With the MCP servers of weft.yaml; those of the flags win.
Result<worker::ToolSettings> tool_settings(const Grants& grants, const Config& config);

// What programs that weft starts get to know of its environment.
std::map<std::string, std::string> program_environment();

}  // namespace weft::cli
