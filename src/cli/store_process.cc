// SPDX-License-Identifier: Apache-2.0
#include "cli/store_process.h"

#include <utility>

#include "security/redaction.h"
#include "worker/schema.h"

namespace weft::cli {

Result<worker::ProcessOptions> process_options(const worker::StorePlace& store,
                                               backend::Router& router, const Grants& grants,
                                               const Config& config) {
  worker::ProcessOptions out;
  out.store = store;
  out.backend = &router;
  out.ledger = router.ledger();
  out.allowed_hosts = grants.hosts;
  out.tools = TRY(tool_settings(grants, config));
  return out;
}

Result<std::shared_ptr<worker::CallbackSender>> callback_sender(worker::Process& process,
                                                                const worker::StorePlace& store,
                                                                const Config& config) {
  auto out = std::make_shared<worker::CallbackSender>(
      process.loop(), process.pool(), process.http(), TRY(callback_secret(config)),
      [store] { return worker::open_journal_store(store); });
  if (!config.redaction.none()) {
    out->filter([what = config.redaction](std::string_view text) {
      return security::redacted_json(text, what);
    });
  }
  return out;
}

// The operator names the webhook, so it may lie in a private network.
Result<std::shared_ptr<worker::CheckpointSender>> checkpoint_sender(worker::Process& process,
                                                                    const worker::StorePlace& store,
                                                                    const Config& config) {
  const AuditConfig::Webhook& hook = config.audit.webhook;
  if (hook.url.empty()) return std::shared_ptr<worker::CheckpointSender>();
  worker::CheckpointWebhook webhook;
  webhook.file = checkpoints_of(config, store.path);
  webhook.url = hook.url;
  webhook.secret = hook.secret.empty() ? TRY(callback_secret(config)) : hook.secret;
  webhook.client = {.policy = {.allow_private = true, .allowed_hosts = {}},
                    .ca_file = hook.ca_file};
  return std::make_shared<worker::CheckpointSender>(process.loop(), process.pool(),
                                                    std::move(webhook));
}

}  // namespace weft::cli
