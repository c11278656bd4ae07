// SPDX-License-Identifier: Apache-2.0
//
// TLS against `openssl s_server` with a certificate made for the occasion.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <optional>
#include <thread>

#include "net/client.h"

namespace weft::net {
namespace {

namespace fs = std::filesystem;

class TlsServer {
 public:
  TlsServer() {
    char pattern[] = "/tmp/weft-tls-XXXXXX";
    folder_ = mkdtemp(pattern);
    certificate = folder_ / "cert.pem";
    const std::string key = (folder_ / "key.pem").string();
    port = 20'000 + getpid() % 12'000;  // below the ephemeral ports
    const std::string make = fmt::format(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout {} -out {} 2>/dev/null",
        key, certificate.string());
    made = std::system(make.c_str()) == 0;
    if (!made) return;
    const std::string accept = std::to_string(port);
    const std::string cert = certificate.string();
    const char* argv[] = {"openssl", "s_server",   "-accept", accept.c_str(), "-cert",
                          cert.c_str(), "-key", key.c_str(), "-www",     "-quiet", nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    made = posix_spawnp(&child_, "openssl", &actions, nullptr, const_cast<char**>(argv),
                        environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
  }
  ~TlsServer() {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    fs::remove_all(folder_);
  }
  fs::path certificate;
  int port = 0;
  bool made = false;

 private:
  fs::path folder_;
  pid_t child_ = 0;
};

std::string code_of(const std::string& url, const std::string& ca_file) {
  ClientOptions options;
  options.policy.allow_private = true;
  options.ca_file = ca_file;
  for (int attempt = 0;; ++attempt) {
    boost::asio::io_context io;
    Client client(io, options);
    std::optional<Result<Response>> result;
    Request request;
    request.url = url;
    client.send(request, [&](Result<Response> got) { result.emplace(std::move(got)); });
    io.run_for(std::chrono::seconds(15));
    if (!result) return "none";
    // the server may still be starting
    const bool starting = !result->ok() && result->error().code == "E0803";
    if (!starting || attempt == 300) {
      return result->ok() ? fmt::format("status {}", (*result)->status) : result->error().code;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

TEST(Tls, CertificatesAreVerified) {
  TlsServer server;
  if (!server.made) GTEST_SKIP() << "SKIPPED: no openssl program";
  const std::string local = fmt::format("https://localhost:{}/", server.port);
  EXPECT_EQ(code_of(local, server.certificate), "status 200");
  EXPECT_EQ(code_of(local, ""), "E0804");  // nobody the system trusts has signed it
  const std::string other = fmt::format("https://127.0.0.1:{}/", server.port);
  EXPECT_EQ(code_of(other, server.certificate), "E0804");  // the name does not fit
  EXPECT_EQ(code_of(local, "/nonexistent.pem"), "E0804");
}

}  // namespace
}  // namespace weft::net
