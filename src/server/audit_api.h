// SPDX-License-Identifier: Apache-2.0
//
// The audit over HTTP, and what the server writes into it: every request that changes something or
// brings data to a model, every permission that was missing, every decision of a model asked over
// /v1. What models decide inside runs, the journal records itself. Reads are counted, not recorded.
//
// `GET /audit` lists, the newest first; `GET /audit/export` gives all that fit, as JSON lines or
// CSV; `GET /audit/verify` goes through every chain.
#pragma once

#include <string>
#include <string_view>

#include "backend/backend.h"
#include "security/permission.h"
#include "server/context.h"

namespace weft::server {

// An answered request; `action`: what its route needs.
void record_request(ServerContext& context, const net::HttpRequest& request,
                    std::string_view action, int status);
void record_refusal(ServerContext& context, const security::Caller& caller,
                    std::string_view action, const net::HttpRequest& request);
void record_decision(ServerContext& context, const security::Caller& caller,
                     const backend::ChatResult& result);

// An act that came by another way than a route of its own.
void record_act(ServerContext& context, const security::Caller& caller, std::string_view action,
                std::string resource, std::string_view outcome);

void list_audit(ServerContext& context, const ExchangePtr& exchange);
void export_audit(ServerContext& context, const ExchangePtr& exchange);
void verify_audit(ServerContext& context, const ExchangePtr& exchange);

}  // namespace weft::server
