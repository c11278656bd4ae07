// SPDX-License-Identifier: Apache-2.0
#include "cli/tls_reload.h"

#include <fmt/format.h>

#include <optional>

#include "base/digest.h"
#include "base/file.h"
#include "obs/log.h"

namespace weft::cli {
namespace {

constexpr int64_t kLookUs = 1'000'000;
constexpr int64_t kSoonS = int64_t{14} * 86'400;
constexpr size_t kFileBytesMax = size_t{1} << 20;

// A file that is not there says something, too.
std::string said_by(const net::TlsFiles& files) {
  std::string out;
  for (const std::string& path : {files.certificate, files.key}) {
    const auto text = read_file(path, kFileBytesMax);
    out += text.ok() ? sha256_hex(*text) : text.error().message;
    out += '\n';
  }
  return out;
}

}  // namespace

struct TlsReload::Found {
  std::string said;
  std::optional<Result<Identity>> loaded;  // if it was to be loaded
};

TlsReload::TlsReload(net::TlsFiles files, worker::Loop& loop, worker::Pool& pool, Env& env)
    : files_(std::move(files)), loop_(loop), pool_(pool), env_(env) {}

Result<TlsReload::Identity> TlsReload::first() {
  seen_ = tried_ = said_by(files_);
  Identity identity = TRY(net::TlsIdentity::load(files_));
  judge(*identity);
  return identity;
}

void TlsReload::start(Use use) {
  use_ = std::move(use);
  look(false);
}

// Files first, then their meaning: if they change in between, the next look sees it.
void TlsReload::look(bool at_once) {
  pool_.submit([weak = weak_from_this(), &loop = loop_, files = files_, seen = seen_,
                tried = tried_, at_once] {
    auto found = std::make_shared<Found>(Found{said_by(files), std::nullopt});
    const bool settled = found->said == seen && found->said != tried;
    if (settled || at_once) found->loaded = net::TlsIdentity::load(files);
    loop.post([weak, found, at_once] {
      const auto self = weak.lock();
      if (self && self->use_) self->take(std::move(*found), at_once);
    });
  });
}

void TlsReload::take(Found found, bool at_once) {
  seen_ = found.said;
  if (found.loaded) {
    tried_ = found.said;
    if (found.loaded->ok()) {
      const Identity identity = **found.loaded;
      obs::log(obs::Level::kInfo, "tls", "new connections get the certificate of {} until {}",
               identity->names(), iso8601(identity->ends_s() * 1'000'000));
      judge(*identity);
      use_(identity);
    } else {
      obs::log(obs::Level::kWarning, "tls", "the certificate in use stays: {}",
               found.loaded->error().text());
    }
  }
  if (at_once) return;  // the steady looks go on beside it
  loop_.after(kLookUs, [weak = weak_from_this()] {
    if (const auto self = weak.lock(); self && self->use_) self->look(false);
  });
}

void TlsReload::judge(const net::TlsIdentity& identity) const {
  const int64_t now_s = env_.wall_us() / 1'000'000;
  const auto warn = [&](std::string_view what, int64_t when_s) {
    obs::log(obs::Level::kWarning, "tls", "the certificate of {} {} {}: clients will refuse it",
             identity.names(), what, iso8601(when_s * 1'000'000));
  };
  if (now_s < identity.begins_s()) return warn("is not valid before", identity.begins_s());
  if (now_s >= identity.ends_s()) return warn("has expired at", identity.ends_s());
  if (now_s + kSoonS >= identity.ends_s()) {
    obs::log(obs::Level::kWarning, "tls", "the certificate of {} expires at {}",
             identity.names(), iso8601(identity.ends_s() * 1'000'000));
  }
}

}  // namespace weft::cli
