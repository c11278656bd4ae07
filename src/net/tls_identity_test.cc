// SPDX-License-Identifier: Apache-2.0
#include "net/tls_identity.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "net/test_certificate.h"

namespace weft::net {
namespace {

class TlsIdentityTest : public ::testing::Test {
 protected:
  // The refusal's message; empty if the pair can be served.
  static std::string refusal(const TlsFiles& files) {
    const auto loaded = TlsIdentity::load(files);
    if (loaded.ok()) return "";
    EXPECT_EQ(loaded.error().code, "E0822");
    EXPECT_FALSE(loaded.error().hint.empty());
    return loaded.error().message;
  }
  testing::CertificateFolder folder_;
};

TEST_F(TlsIdentityTest, AGoodPairSaysWhoseItIsAndUntilWhen) {
  const TlsFiles files = folder_.make("good");
  ASSERT_TRUE(folder_.made());
  const auto loaded = TlsIdentity::load(files);
  ASSERT_TRUE(loaded.ok()) << loaded.error().text();
  EXPECT_EQ((*loaded)->names(), "'localhost', '127.0.0.1'");
  EXPECT_EQ((*loaded)->ends_s() - (*loaded)->begins_s(), 2 * 86'400);
  EXPECT_GT((*loaded)->begins_s(), 1'700'000'000);
  EXPECT_EQ(refusal(folder_.make("rsa", "", "rsa:2048")), "");
  EXPECT_EQ(refusal(folder_.make("edwards", "", "ed25519")), "");
}

TEST_F(TlsIdentityTest, WhatCannotBeServedIsRefusedWithTheReason) {
  const TlsFiles one = folder_.make("one"), two = folder_.make("two");
  ASSERT_TRUE(folder_.made());
  EXPECT_NE(refusal({one.certificate, two.key}).find("does not belong to"), std::string::npos);
  EXPECT_NE(refusal({one.key, one.certificate}).find("no certificate"), std::string::npos);
  EXPECT_NE(refusal({one.certificate, one.certificate}).find("no private key"),
            std::string::npos);
  EXPECT_NE(refusal({folder_.path("none"), one.key}).find("cannot be read"), std::string::npos);
  EXPECT_NE(refusal({one.certificate, folder_.path("none")}).find("cannot be read"),
            std::string::npos);
  EXPECT_NE(refusal({"/tmp", one.key}).find("cannot be read"), std::string::npos);
  ASSERT_TRUE(folder_.run(fmt::format("openssl pkey -aes128 -passout pass:x -in {} -out {}",
                                      one.key, folder_.path("locked"))));
  EXPECT_NE(refusal({one.certificate, folder_.path("locked")}).find("password"),
            std::string::npos);
  const TlsFiles weak = folder_.make("weak", "", "rsa:1024");
  EXPECT_NE(refusal(weak).find("too small"), std::string::npos);
}

TEST_F(TlsIdentityTest, AChainMayFollowButNotBroken) {
  const TlsFiles own = folder_.make("own"), other = folder_.make("other");
  ASSERT_TRUE(folder_.made());
  const std::string first = *read_file(own.certificate), second = *read_file(other.certificate);
  const std::string chain = folder_.path("chain");
  ASSERT_TRUE(write_file_atomic(chain, first + "\n# text between\n" + second).ok());
  EXPECT_EQ(refusal({chain, own.key}), "");
  ASSERT_TRUE(write_file_atomic(chain, second + first).ok());
  EXPECT_NE(refusal({chain, own.key}).find("does not belong"), std::string::npos);
  ASSERT_TRUE(write_file_atomic(chain, first + second.substr(0, second.size() / 2)).ok());
  EXPECT_NE(refusal({chain, own.key}).find("broken certificate"), std::string::npos);
}

// Nothing that a file may hold is more than a refusal.
TEST_F(TlsIdentityTest, FilesCutAnywhere) {
  const TlsFiles files = folder_.make("cut");
  ASSERT_TRUE(folder_.made());
  const std::string whole = *read_file(files.certificate), key = *read_file(files.key);
  const std::string cut = folder_.path("half");
  for (size_t bytes = 0; bytes + 30 < whole.size(); bytes += 7) {
    ASSERT_TRUE(write_file_atomic(cut, whole.substr(0, bytes)).ok());
    EXPECT_NE(refusal({cut, files.key}), "") << bytes;
  }
  for (size_t bytes = 0; bytes + 30 < key.size(); bytes += 7) {
    ASSERT_TRUE(write_file_atomic(cut, key.substr(0, bytes)).ok());
    EXPECT_NE(refusal({files.certificate, cut}), "") << bytes;
  }
}

}  // namespace
}  // namespace weft::net
