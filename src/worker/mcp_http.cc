// SPDX-License-Identifier: Apache-2.0
//
// An MCP server reached by HTTP ("streamable HTTP"): a POST a message; the answer is a document, or
// a stream of events with other messages on the way. Only the server that the operator named is
// called: its host may lie in a private network, and redirects are not followed.
#include <algorithm>

#include "base/strings.h"
#include "net/client.h"
#include "net/url.h"
#include "worker/asio_loop.h"
#include "worker/mcp_transport.h"

namespace weft::worker {
namespace {

constexpr size_t kMcpAnswerBytesMax = size_t{64} << 20;
constexpr int64_t kTotalTimeoutMs = 24 * 3600 * 1000;  // calls have limits of their own

net::ClientOptions options_for(const McpServerSettings& settings) {
  net::ClientOptions options;
  if (const auto url = net::parse_url(settings.url); url.ok()) {
    options.policy.allowed_hosts.push_back(fmt::format("{}:{}", url->host, url->port));
  }
  return options;
}

// Events of one answer, as far as they have come.
struct Stream {
  json::Value id;         // of the request; null: of none
  std::string text;
  std::string data;
  bool answered = false;  // a message with that id was among them
};

class McpHttp final : public McpTransport {
 public:
  McpHttp(AsioLoop& loop, const McpServerSettings& settings, Events events)
      : settings_(settings), events_(std::make_shared<Events>(std::move(events))),
        client_(loop.io_context(), options_for(settings)) {}
  ~McpHttp() override { *events_ = {}; }

  void set_version(const std::string& version) override { version_ = version; }

  void send(const json::Object& message) override {
    auto stream = std::make_shared<Stream>();
    const json::Value* id = message.if_contains("id");
    if (id != nullptr && message.contains("method")) stream->id = *id;
    net::Request request;
    request.method = "POST";
    request.url = settings_.url;
    request.headers = {{"Content-Type", "application/json"},
                       {"Accept", "application/json, text/event-stream"}};
    if (!session_.empty()) request.headers.push_back({"Mcp-Session-Id", session_});
    if (!version_.empty()) request.headers.push_back({"MCP-Protocol-Version", version_});
    for (const auto& [name, value] : settings_.headers) request.headers.push_back({name, value});
    request.body = json::dump(message);
    request.total_timeout_ms = kTotalTimeoutMs;
    request.response_bytes_max = kMcpAnswerBytesMax;
    request.redirects_max = 0;
    request.on_body = [this, stream](std::string_view piece) { take(*stream, piece); };
    client_.send(std::move(request),
                 [this, events = events_, stream](Result<net::Response> response) {
                   if (events->message) ended(*stream, std::move(response));
                 });
  }

 private:
  static bool is_document(const Stream& stream) {
    const size_t at = stream.text.find_first_not_of(" \t\r\n");
    return at != std::string::npos && (stream.text[at] == '{' || stream.text[at] == '[');
  }

  void take(Stream& stream, std::string_view piece) {
    stream.text += piece;
    if (is_document(stream)) return;  // read when it is whole
    size_t begin = 0;
    for (size_t end = 0; (end = stream.text.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      line(stream, std::string_view(stream.text).substr(begin, end - begin));
    }
    stream.text.erase(0, begin);
  }

  void line(Stream& stream, std::string_view text) {
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.starts_with("data:")) {
      text.remove_prefix(5);
      if (text.starts_with(' ')) text.remove_prefix(1);
      if (!stream.data.empty()) stream.data += '\n';
      stream.data += text;
    }
    if (text.empty() && !stream.data.empty()) message(stream, std::exchange(stream.data, {}));
  }

  void message(Stream& stream, const std::string& text) {
    auto value = json::parse(text);
    if (!value.ok() || !value->is_object() || !events_->message) return;
    const json::Value* id = value->get_object().if_contains("id");
    const bool answer = id != nullptr && *id == stream.id &&
                        !value->get_object().contains("method");
    stream.answered = stream.answered || answer;
    if (!begun_) return held_.push_back(std::move(*value));
    const auto told = events_->message;
    told(std::move(*value));
  }

  void ended(Stream& stream, Result<net::Response> response) {
    const auto events = events_;  // what they do may end this
    if (!response.ok()) {
      const std::string& code = response.error().code;
      const bool sent = code != "E0801" && code != "E0802" && code != "E0803" && code != "E0804";
      return lose(stream, "E0630", response.error().message, sent);
    }
    if (response->status == 404 && !session_.empty()) {  // it has forgotten us: begin anew
      session_.clear();
      lose(stream, "E0632", "the session is over", false);
      const auto told = events->closed;
      if (told) told(make_error("E0632", "the server has ended the session"));
      return;
    }
    if (response->status < 200 || response->status > 299) {
      const bool key = response->status == 401 || response->status == 403;
      return lose(stream, key ? "E0631" : "E0632",
                  fmt::format("it answered with status {}: {}", response->status,
                              quoted(response->body, 160)), response->status >= 500);
    }
    if (const std::string* id = net::find_header(*response, "Mcp-Session-Id")) session_ = *id;
    if (is_document(stream)) message(stream, stream.text);
    if (!std::exchange(begun_, true)) {
      for (json::Value& one : std::exchange(held_, {})) {
        if (const auto told = events->message) told(std::move(one));
      }
    }
    if (!events->message || stream.id.is_null() || stream.answered) return;
    if (!stream.data.empty()) message(stream, std::exchange(stream.data, {}));
    if (events->message && !stream.answered) {
      lose(stream, "E0632", "it ended its answer before the result", true);
    }
  }

  void lose(const Stream& stream, std::string code, std::string why, bool sent) {
    const auto told = events_->lost;
    if (told) told(stream.id, make_error(std::move(code), std::move(why)), sent);
  }

  const McpServerSettings settings_;
  const std::shared_ptr<Events> events_;  // emptied when this is gone
  net::Client client_;
  std::string session_, version_;
  bool begun_ = false;                    // the first answer is whole: the session has its name
  std::vector<json::Value> held_;         // until then
};

}  // namespace

std::unique_ptr<McpTransport> reach_mcp_server(AsioLoop& loop, const McpServerSettings& settings,
                                               McpTransport::Events events) {
  return std::make_unique<McpHttp>(loop, settings, std::move(events));
}

}  // namespace weft::worker
