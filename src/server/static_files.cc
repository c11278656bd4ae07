// SPDX-License-Identifier: Apache-2.0
#include "server/static_files.h"

#include <algorithm>
#include <charconv>

#include "base/json.h"
#include "server/openai_error.h"

extern "C" {
extern const char weft_dashboard_pack[], weft_dashboard_pack_end[];  // cmake/web.cmake
}

namespace weft::server {
namespace {

constexpr size_t kLengthDigits = 8;

// Scripts and styles only of our own files, requests only to this server, and in nobody's frame.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

constexpr std::string_view kNotBuilt =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>weft</title>\n"
    "<h1>weft</h1>\n"
    "<p>The dashboard was not part of this build: npm, or the network it fetches from, was missing."
    "</p>\n"
    "<p>With npm at hand, <code>make build</code> adds it. The API answers as ever: "
    "<a href=\"/v1/models\">models</a>, <a href=\"/workflows\">runs</a>, "
    "<a href=\"/metrics\">metrics</a>.</p>\n"
    "<p lang=\"ko\">이 빌드에는 대시보드가 포함되어 있지 않습니다. npm이 있는 곳에서 "
    "<code>make build</code>를 실행하면 추가됩니다.</p>\n</html>\n";

Error not_a_pack(std::string_view why) {
  return make_error("E0750", fmt::format("the dashboard's files: {}", why));
}

const StaticFiles& dashboard_files() {
  static const StaticFiles files = [] {
    const std::string_view pack(weft_dashboard_pack,
                                static_cast<size_t>(weft_dashboard_pack_end - weft_dashboard_pack));
    auto read = read_pack(pack);
    CHECK(read.ok(), "{}", read.error().message);
    return std::move(*read);
  }();
  return files;
}

std::vector<net::Header> page_headers(const std::string& type) {
  return {{"Content-Type", type},
          {"Content-Security-Policy", std::string(kPolicy)},
          {"X-Content-Type-Options", "nosniff"},
          {"Referrer-Policy", "no-referrer"},
          {"Cross-Origin-Opener-Policy", "same-origin"}};
}

void send_file(const StaticFile& file, const ExchangePtr& exchange) {
  net::HttpResponse out{200, page_headers(file.type), {}};
  out.headers.push_back({"ETag", file.etag});
  out.headers.push_back({"Cache-Control", file.immutable ? "public, max-age=31536000, immutable"
                                                         : "no-cache"});
  if (file.gzip) out.headers.push_back({"Content-Encoding", "gzip"});
  const std::string* known = exchange->request().header("If-None-Match");
  if (known != nullptr && known->find(file.etag) != std::string::npos) {
    out.status = 304;
  } else {
    out.body = file.bytes;
  }
  exchange->respond(std::move(out));
}

bool is_true(const json::Object& entry, std::string_view name) {
  const json::Value* value = entry.if_contains(name);
  return value != nullptr && value->is_bool() && value->as_bool();
}

Result<StaticFile> file_of(const json::Object& entry, std::string_view bytes) {
  const int64_t offset = TRY(json::require_int(entry, "offset", "a file"));
  const int64_t size = TRY(json::require_int(entry, "size", "a file"));
  const auto total = static_cast<int64_t>(bytes.size());
  if (offset < 0 || size < 0 || offset > total || size > total - offset) {
    return not_a_pack("a file lies outside");
  }
  StaticFile file;
  file.type = TRY(json::require_string(entry, "type", "a file"));
  file.etag = TRY(json::require_string(entry, "etag", "a file"));
  file.bytes = bytes.substr(static_cast<size_t>(offset), static_cast<size_t>(size));
  file.gzip = is_true(entry, "gzip");
  file.immutable = is_true(entry, "immutable");
  return file;
}

}  // namespace

Result<StaticFiles> read_pack(std::string_view pack) {
  size_t length = 0;
  const auto [end, error] = std::from_chars(
      pack.data(), pack.data() + std::min(pack.size(), kLengthDigits), length);
  if (error != std::errc() || end != pack.data() + kLengthDigits ||
      length > pack.size() - kLengthDigits) {
    return not_a_pack("no length at the beginning");
  }
  const json::Value index = TRY(json::parse(pack.substr(kLengthDigits, length)));
  const json::Object* object = index.if_object();
  const json::Value* list = object != nullptr ? object->if_contains("files") : nullptr;
  if (list == nullptr || !list->is_array()) return not_a_pack("no list of files");
  StaticFiles files;
  for (const json::Value& entry : list->as_array()) {
    if (!entry.is_object()) return not_a_pack("an entry is no object");
    const std::string path = TRY(json::require_string(entry.as_object(), "path", "a file"));
    files[path] = TRY(file_of(entry.as_object(), pack.substr(kLengthDigits + length)));
  }
  return files;
}

void show_dashboard(ServerContext&, const ExchangePtr& exchange) {
  const auto found = dashboard_files().find("index.html");
  if (found != dashboard_files().end()) return send_file(found->second, exchange);
  net::HttpResponse out{200, page_headers("text/html; charset=utf-8"), std::string(kNotBuilt)};
  out.headers.push_back({"Cache-Control", "no-cache"});
  exchange->respond(std::move(out));
}

void show_asset(ServerContext&, const ExchangePtr& exchange) {
  const net::HttpRequest& request = exchange->request();
  std::string path;
  for (const std::string& segment : request.segments) path += (path.empty() ? "" : "/") + segment;
  const auto found = dashboard_files().find(path);
  if (found != dashboard_files().end()) return send_file(found->second, exchange);
  exchange->respond(openai_refusal(404, "there is no such file"));
}

}  // namespace weft::server
