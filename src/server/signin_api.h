// SPDX-License-Identifier: Apache-2.0
//
// Sign-in of people over HTTP: `GET /session/oidc` sends a browser to the identity provider, `GET
// /session/oidc/callback` takes it back and opens a session, as a key does in keys_api. Where no
// provider is configured both are 404.
//
// Browsers come here by themselves, so answers are redirects and pages, in the browser's language,
// not JSON. Every end of a sign-in is audited as `sign_in`; the protocol is security/oidc.
#pragma once

#include "base/json.h"
#include "server/context.h"

namespace weft::server {

void begin_signin(ServerContext& context, const ExchangePtr& exchange);
void finish_signin(ServerContext& context, const ExchangePtr& exchange);

// What a sign-in page must know: {label, url}; null where people cannot sign in.
json::Value signin_offer(const ServerContext& context);

// The page that a browser gets when a sign-in ends without a session. `korean`: its language.
net::HttpResponse signin_page(const Error& error, bool korean);

}  // namespace weft::server
