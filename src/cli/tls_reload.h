// SPDX-License-Identifier: Apache-2.0
//
// Renewed certificates without a restart: looks once a second whether the files of the certificate
// or its key say something else, and on SIGHUP at once. A new pair is for new connections; one that
// cannot be used is logged, once, and the pair in use stays.
//
// Files are replaced one after the other: what they say counts when it has stayed the same for a
// second. Contents are compared, not times, for links are turned and copies keep their times. Files
// are read on the pool; everything else is on the loop.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/env.h"
#include "net/tls_identity.h"
#include "worker/loop.h"

namespace weft::cli {

class TlsReload : public std::enable_shared_from_this<TlsReload> {
 public:
  using Identity = std::shared_ptr<const net::TlsIdentity>;
  using Use = std::function<void(Identity)>;

  TlsReload(net::TlsFiles files, worker::Loop& loop, worker::Pool& pool, Env& env);

  // The pair as the files have it now; E0822. Logs when it is over or will soon be.
  Result<Identity> first();
  // From now on; until stop() or the end of this object.
  void start(Use use);
  void stop() { use_ = nullptr; }
  // Also a pair that was refused is tried again.
  void now() { look(true); }

 private:
  struct Found;
  void look(bool at_once);
  void take(Found found, bool at_once);
  void judge(const net::TlsIdentity& identity) const;

  const net::TlsFiles files_;
  worker::Loop& loop_;
  worker::Pool& pool_;
  Env& env_;
  Use use_;
  std::string seen_;   // digests of what the files said at the last look
  std::string tried_;  // of what was loaded, or refused
};

}  // namespace weft::cli
