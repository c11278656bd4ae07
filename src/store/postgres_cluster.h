// SPDX-License-Identifier: Apache-2.0
//
// For tests: a PostgreSQL server of their own, in a temporary directory, listening on a socket
// there and nowhere else; gone with its object. As root it runs as the user `postgres`, because the
// server refuses root.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "base/error.h"

namespace weft::store {

class PostgresCluster {
 public:
  // Null where no server is installed or it does not start.
  static std::unique_ptr<PostgresCluster> start() {
    std::unique_ptr<PostgresCluster> cluster(new PostgresCluster);
    return cluster->make() && cluster->go() ? std::move(cluster) : nullptr;
  }
  ~PostgresCluster() {
    if (!directory_.empty()) stop();
    std::error_code ignored;
    if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
  }
  bool go() {
    return shell(programs_ + "/pg_ctl -D data -w -l log -o \"-k $PWD -c listen_addresses='' -c "
                             "max_connections=200\" start");
  }
  bool stop() { return shell(programs_ + "/pg_ctl -D data -m immediate stop"); }
  // The address of a new, empty database.
  std::string new_database() {
    const std::string name = "t" + std::to_string(++databases_);
    const bool made = shell(programs_ + "/createdb -h \"$PWD\" -U weft " + name);
    CHECK(made, "no database {}", name);
    std::string host = directory_;
    for (size_t at = 0; (at = host.find('/', at)) != std::string::npos; at += 3) {
      host.replace(at, 1, "%2F");
    }
    return "postgres://weft@" + host + "/" + name;
  }

 private:
  bool make() {
    for (const auto& entry : std::filesystem::directory_iterator(
             "/usr/lib/postgresql", std::filesystem::directory_options::skip_permission_denied,
             ignored_)) {
      programs_ = entry.path().string() + "/bin";
    }
    if (programs_.empty()) return false;
    std::string pattern = (std::filesystem::temp_directory_path() / "weft-pg-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) return false;
    directory_ = pattern;
    const std::string give = "chown postgres " + directory_;
    if (::geteuid() == 0 && std::system(give.c_str()) != 0) return false;
    return shell(programs_ + "/initdb -D data -U weft -A trust -E UTF8 --locale=C -N");
  }
  bool shell(const std::string& command) const {
    std::string line = "cd '" + directory_ + "' && " + command;
    if (::geteuid() == 0) {
      line = "setpriv --reuid=postgres --regid=postgres --clear-groups sh -c '" + quoted(line) +
             "'";
    }
    return std::system((line + " >/dev/null 2>&1").c_str()) == 0;
  }
  static std::string quoted(std::string text) {
    for (size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 4) {
      text.replace(at, 1, "'\\''");
    }
    return text;
  }

  std::error_code ignored_;
  std::string programs_;
  std::string directory_;
  int databases_ = 0;
};

}  // namespace weft::store
