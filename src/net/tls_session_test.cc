// SPDX-License-Identifier: Apache-2.0
//
// The server's side of TLS against OpenSSL's client, in memory, in pieces of every size.
#include "net/tls_session.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "net/test_certificate.h"

namespace weft::net {
namespace {

using State = TlsSession::State;

class MemoryClient {
 public:
  explicit MemoryClient(int version_max = TLS1_3_VERSION, std::string_view protocols = "") {
    context_ = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(context_, 0);  // so that old versions are offered at all
    SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context_, version_max);
    ssl_ = SSL_new(context_);
    if (!protocols.empty()) {
      SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(protocols.data()),
                          static_cast<unsigned int>(protocols.size()));
    }
    BIO* in = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(ssl_, in, BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_);
  }
  ~MemoryClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  MemoryClient(const MemoryClient&) = delete;
  SSL* ssl() { return ssl_; }
  void feed(const std::string& bytes) {
    if (!bytes.empty()) {
      BIO_write(SSL_get_rbio(ssl_), bytes.data(), static_cast<int>(bytes.size()));
    }
  }
  std::string output() {
    std::string bytes(BIO_ctrl_pending(SSL_get_wbio(ssl_)), '\0');
    if (!bytes.empty()) BIO_read(SSL_get_wbio(ssl_), bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }
  std::string read_all() {
    std::string out;
    char space[4096];
    size_t got = 0;
    while (SSL_read_ex(ssl_, space, sizeof(space), &got) == 1) out.append(space, got);
    return out;
  }
  std::string write(std::string_view text) {
    size_t written = 0;
    EXPECT_EQ(SSL_write_ex(ssl_, text.data(), text.size(), &written), 1);
    return output();
  }

 private:
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
};

class TlsSessionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto loaded = TlsIdentity::load(folder_.make("session"));
    ASSERT_TRUE(loaded.ok()) << loaded.error().text();
    identity_ = *loaded;
    session_ = std::make_unique<TlsSession>(identity_);
  }
  // Until neither side has more to say; the client's bytes in pieces of `piece`.
  State shake(MemoryClient& client, size_t piece = 1 << 20) {
    for (int round = 0; round < 10; ++round) {
      SSL_do_handshake(client.ssl());
      const std::string said = client.output();
      for (size_t at = 0; at < said.size(); at += piece) {
        session_->feed(std::string_view(said).substr(at, piece));
        session_->handshake();
      }
      const std::string answer = session_->take_output();
      client.feed(answer);
      if (said.empty() && answer.empty()) break;
    }
    return session_->state();
  }
  std::string read_all() {
    std::string out;
    char space[1000];
    while (const size_t got = session_->read(space, sizeof(space))) out.append(space, got);
    return out;
  }
  testing::CertificateFolder folder_;
  std::shared_ptr<const TlsIdentity> identity_;
  std::unique_ptr<TlsSession> session_;
};

TEST_F(TlsSessionTest, TextGoesBothWaysInBothVersions) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    session_ = std::make_unique<TlsSession>(identity_);
    MemoryClient client(version);
    ASSERT_EQ(shake(client), State::kOpen);
    EXPECT_EQ(SSL_version(client.ssl()), version);
    session_->feed(client.write("a question"));
    EXPECT_TRUE(session_->readable());
    EXPECT_EQ(read_all(), "a question");
    EXPECT_FALSE(session_->readable());
    const std::string large(300'000, 'x');
    session_->write(large);
    client.feed(session_->take_output());
    EXPECT_EQ(client.read_all(), large);
    EXPECT_EQ(session_->state(), State::kOpen);
  }
}

TEST_F(TlsSessionTest, PiecesOfEverySize) {
  for (const size_t piece : {size_t{1}, size_t{2}, size_t{5}, size_t{100}}) {
    session_ = std::make_unique<TlsSession>(identity_);
    MemoryClient client;
    ASSERT_EQ(shake(client, piece), State::kOpen) << piece;
    const std::string record = client.write("one record");
    for (size_t at = 0; at + 1 < record.size(); ++at) {
      session_->feed(std::string_view(record).substr(at, 1));
      EXPECT_EQ(read_all(), "");
    }
    session_->feed(std::string_view(record).substr(record.size() - 1));
    EXPECT_EQ(read_all(), "one record");
  }
}

TEST_F(TlsSessionTest, OldVersionsAreTurnedAwayWithAnAlert) {
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    session_ = std::make_unique<TlsSession>(identity_);
    MemoryClient client(version);
    EXPECT_EQ(shake(client), State::kBroken);
    EXPECT_NE(session_->problem().find("unsupported protocol"), std::string::npos)
        << session_->problem();
  }
  TlsFiles files = folder_.make("new");
  files.only_13 = true;
  session_ = std::make_unique<TlsSession>(*TlsIdentity::load(files));
  MemoryClient older(TLS1_2_VERSION);
  EXPECT_EQ(shake(older), State::kBroken);
  session_ = std::make_unique<TlsSession>(*TlsIdentity::load(files));
  MemoryClient newer;
  EXPECT_EQ(shake(newer), State::kOpen);
}

TEST_F(TlsSessionTest, OfProtocolsHttp11IsChosen) {
  MemoryClient both(TLS1_3_VERSION, "\x02h2\x08http/1.1");
  ASSERT_EQ(shake(both), State::kOpen);
  const unsigned char* chosen = nullptr;
  unsigned int bytes = 0;
  SSL_get0_alpn_selected(both.ssl(), &chosen, &bytes);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(chosen), bytes), "http/1.1");
  session_ = std::make_unique<TlsSession>(identity_);
  MemoryClient other(TLS1_3_VERSION, "\x02h2");
  EXPECT_EQ(shake(other), State::kBroken);
}

TEST_F(TlsSessionTest, AGoodbyeIsAnEndAndAChangedByteIsNot) {
  MemoryClient client;
  ASSERT_EQ(shake(client), State::kOpen);
  const std::string last = client.write("last words");
  SSL_shutdown(client.ssl());
  session_->feed(last + client.output());
  EXPECT_EQ(read_all(), "last words");
  EXPECT_EQ(session_->state(), State::kEnded);
  session_->write("heard");  // it said that it sends no more, not that it reads no more
  session_->say_goodbye();
  client.feed(session_->take_output());
  session_ = std::make_unique<TlsSession>(identity_);
  MemoryClient forger;
  ASSERT_EQ(shake(forger), State::kOpen);
  std::string record = forger.write("pay 10");
  record.back() = static_cast<char>(record.back() ^ 1);
  session_->feed(record);
  EXPECT_EQ(read_all(), "");
  EXPECT_EQ(session_->state(), State::kBroken);
  EXPECT_FALSE(session_->take_output().empty());  // the alert
}

TEST_F(TlsSessionTest, WhatIsNoTlsEndsInTheHandshake) {
  for (const std::string& bytes :
       {std::string(64, '\0'), std::string("\x16\x03\x01\xff\xff") + std::string(20'000, 'a'),
        std::string("SSH-2.0-OpenSSH_9.2\r\n"), std::string(100'000, '\x16')}) {
    session_ = std::make_unique<TlsSession>(identity_);
    session_->feed(bytes);
    EXPECT_EQ(session_->handshake(), State::kBroken);
    EXPECT_FALSE(session_->problem().empty());
    char space[8];
    EXPECT_EQ(session_->read(space, sizeof(space)), 0U);
  }
  EXPECT_TRUE(TlsSession::looks_like_http('G'));
  EXPECT_FALSE(TlsSession::looks_like_http('\x16'));
}

}  // namespace
}  // namespace weft::net
