// SPDX-License-Identifier: Apache-2.0
//
// Definitions over HTTP: list, show, store, delete, and all versions. A document is sent as it is
// (YAML or JSON); a stored one is a new version, and runs in flight keep theirs. `ETag` is the
// definition's hash; `If-Match` makes a change hold only on top of what the caller has seen.
//
// Definitions of the server's own files are shown here and changed only there.
#pragma once

#include "server/context.h"

namespace weft::server {

void list_definitions(ServerContext& context, const ExchangePtr& exchange);
void show_definition(ServerContext& context, const ExchangePtr& exchange);
void put_definition(ServerContext& context, const ExchangePtr& exchange);
void delete_definition(ServerContext& context, const ExchangePtr& exchange);
void list_definition_versions(ServerContext& context, const ExchangePtr& exchange);

}  // namespace weft::server
