// SPDX-License-Identifier: Apache-2.0
//
// The dashboard's files, as web/build packed them into the program: compressed ahead, each with a
// name that changes with its content, so that browsers keep them for ever; only the page itself is
// asked for again, by its ETag. Nothing is read from disk.
//
//   pack := length of the index, eight digits · index (JSON) · bytes of the files, one by one
//   index: {"files": [{path, type, etag, offset, size, gzip, immutable}]}
//
// A program that was built without them says so, and how to get them.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/error.h"
#include "server/context.h"

namespace weft::server {

struct StaticFile {
  std::string type, etag;
  std::string_view bytes;
  bool gzip = false;
  bool immutable = false;
};
using StaticFiles = std::map<std::string, StaticFile, std::less<>>;

// `pack` must outlive the result. E0010 to E0013, E0750: it is no pack.
Result<StaticFiles> read_pack(std::string_view pack);

// GET / and every page of the dashboard; GET of one of its files.
void show_dashboard(ServerContext& context, const ExchangePtr& exchange);
void show_asset(ServerContext& context, const ExchangePtr& exchange);

}  // namespace weft::server
