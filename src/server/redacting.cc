// SPDX-License-Identifier: Apache-2.0
#include "server/redacting.h"

#include <string_view>
#include <utility>

namespace weft::server {
namespace {

class Redacting final : public net::Exchange {
 public:
  Redacting(std::shared_ptr<net::Exchange> inner, const security::Redaction& rules)
      : inner_(std::move(inner)), rules_(rules) {}

  net::HttpRequest& request() override { return inner_->request(); }
  void respond(net::HttpResponse response) override {
    response.body = security::redacted_json(response.body, rules_);
    inner_->respond(std::move(response));
  }
  void begin(StreamHead head) override { inner_->begin(std::move(head)); }
  void write(std::string_view piece) override {
    if (piece.starts_with("event: progress\n")) return;
    inner_->write(security::redacted_json(piece, rules_));
  }
  void end() override { inner_->end(); }
  size_t unsent_bytes() const override { return inner_->unsent_bytes(); }
  void on_drained(std::function<void()> task) override { inner_->on_drained(std::move(task)); }
  void on_closed(std::function<void()> task) override { inner_->on_closed(std::move(task)); }

 private:
  const std::shared_ptr<net::Exchange> inner_;
  const security::Redaction& rules_;
};

}  // namespace

std::shared_ptr<net::Exchange> redacting(std::shared_ptr<net::Exchange> exchange,
                                         const security::Redaction& rules) {
  return std::make_shared<Redacting>(std::move(exchange), rules);
}

}  // namespace weft::server
