// SPDX-License-Identifier: Apache-2.0
//
// Keys and sign-in over HTTP: `GET/POST/DELETE /keys` for administrators, each seeing the keys of
// their own tenant (those of no tenant: of all), and `/session`, which makes a browser's cookie of
// a key and says who one is.
//
// The rules of keys are security/keys, those of cookies sessions.h. A key's text is in the answer
// that makes it and nowhere else.
#pragma once

#include "server/access.h"
#include "server/context.h"

namespace weft::server {

void list_keys(ServerContext& context, const ExchangePtr& exchange);
void create_key(ServerContext& context, const ExchangePtr& exchange);
void revoke_key(ServerContext& context, const ExchangePtr& exchange);
void rotate_key(ServerContext& context, const ExchangePtr& exchange);

void open_session(ServerContext& context, const ExchangePtr& exchange);
void show_session(ServerContext& context, const ExchangePtr& exchange);
void close_session(ServerContext& context, const ExchangePtr& exchange);

// Answers whoever has just signed in, when that is stored.
void answer_session(ServerContext& context, const ExchangePtr& exchange,
                    const Access::Opened& opened);
// The Set-Cookie of a session; `age_s` 0 ends it.
std::string session_cookie(const ServerContext& context, std::string_view value, int64_t age_s);

// Looks once a second whether keys changed in the store, and tells `access`.
void watch_keys(ServerContext& context);

}  // namespace weft::server
