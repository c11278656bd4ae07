// SPDX-License-Identifier: Apache-2.0
//
// `weft users add | passwd | list | remove`: people who sign in by name and password
// (security/people.h). A password is read from the terminal without showing it, else from the first
// line of stdin; never from the command line, where others see it. Every change is recorded.
#pragma once

#include <string>
#include <vector>

#include "cli/config_encryption.h"

namespace weft::cli {

struct UsersOptions {
  std::string act;   // "add", "passwd", "list", "remove"
  std::string name;
  std::string tenant;
  std::vector<std::string> roles;
  std::string config;
  StoreFlags store;
  bool json = false;
};
int act_on_users(const UsersOptions& options);

}  // namespace weft::cli
