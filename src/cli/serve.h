// SPDX-License-Identifier: Apache-2.0
//
// `weft serve`: the HTTP API of this process. The composition root of worker, models and server:
// it puts them together, opens the port, and takes them apart in order when it is told to stop.
//
// It answers no request itself (server does).
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "cli/config_encryption.h"
#include "cli/grants.h"
#include "net/tls_identity.h"

namespace weft::cli {

struct ServeOptions {
  std::string config;                // weft.yaml; empty: none
  std::set<std::string> given;       // flags that stood on the command line: they win over it
  std::string host = "127.0.0.1";
  uint16_t port = 8700;              // 0: any free one
  int listening = -1;                // a socket that systemd hands over, instead of these
  std::vector<std::string> models;   // NAME=SOURCE or SOURCE; the first is the default too
  net::TlsFiles tls;                 // certificate and key; empty: plain HTTP
  std::string key_file;              // one API key a line; empty: none
  std::vector<std::string> workflows;  // files: what can be started by its id
  std::string files;                 // directory that file steps may use; empty: none
  std::vector<std::string> origins;  // web pages that may ask
  StoreFlags store;
  Grants grants;
  std::string precision = "native";
  int threads = 0;                   // of a model; 0 = all usable cores
  int64_t kv_memory_mib = 1024;      // of each model's cache
  int64_t model_memory_mib = 0;      // of all models together; 0: what the machine has
  std::string kv_spill;              // directory for evicted blocks of the cache; empty: none
  int64_t kv_spill_mib = 8192;
  int64_t drain_s = 30;              // for answers under way when it stops
  bool preload = true;               // the default model at the start, behind the open port
  bool json = false;
};

int run_serve(ServeOptions options);

}  // namespace weft::cli
