// SPDX-License-Identifier: Apache-2.0
#include "net/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <string>

namespace weft::net {
namespace {

AddressKind kind(const std::string& text) {
  Ipv4 four{};
  if (inet_pton(AF_INET, text.c_str(), four.data()) == 1) return kind_of(four);
  Ipv6 six{};
  EXPECT_EQ(inet_pton(AF_INET6, text.c_str(), six.data()), 1) << text;
  return kind_of(six);
}

TEST(Address, KindsByTheirBorders) {
  using enum AddressKind;
  const std::pair<const char*, AddressKind> cases[] = {
      {"8.8.8.8", kPublic},
      {"0.0.0.0", kUnspecified},
      {"0.255.255.255", kUnspecified},
      {"9.255.255.255", kPublic},
      {"10.0.0.0", kPrivate},
      {"10.255.255.255", kPrivate},
      {"11.0.0.0", kPublic},
      {"100.63.255.255", kPublic},
      {"100.64.0.0", kPrivate},
      {"100.127.255.255", kPrivate},
      {"100.128.0.0", kPublic},
      {"127.0.0.1", kLoopback},
      {"127.255.255.255", kLoopback},
      {"169.253.255.255", kPublic},
      {"169.254.169.254", kLinkLocal},
      {"172.15.255.255", kPublic},
      {"172.16.0.0", kPrivate},
      {"172.31.255.255", kPrivate},
      {"172.32.0.0", kPublic},
      {"192.168.0.0", kPrivate},
      {"192.169.0.0", kPublic},
      {"198.18.0.1", kReserved},
      {"198.20.0.0", kPublic},
      {"223.255.255.255", kPublic},
      {"224.0.0.1", kMulticast},
      {"239.255.255.255", kMulticast},
      {"255.255.255.255", kReserved},
      {"::", kUnspecified},
      {"::1", kLoopback},
      {"::2", kUnspecified},            // compatible form of 0.0.0.2
      {"::127.0.0.1", kLoopback},
      {"::ffff:127.0.0.1", kLoopback},
      {"::ffff:10.1.2.3", kPrivate},
      {"::ffff:8.8.8.8", kPublic},
      {"64:ff9b::169.254.169.254", kLinkLocal},
      {"64:ff9b::8.8.8.8", kPublic},
      {"64:ff9b:1::1", kPrivate},
      {"2002:7f00:1::", kLoopback},
      {"2002:808:808::1", kPublic},
      {"fc00::1", kPrivate},
      {"fdff::1", kPrivate},
      {"fe80::1", kLinkLocal},
      {"febf::1", kLinkLocal},
      {"fec0::1", kPrivate},
      {"ff02::1", kMulticast},
      {"2001:0:1::1", kReserved},       // Teredo
      {"2001:db8::1", kReserved},
      {"2001:4860:4860::8888", kPublic},
      {"3fff::1", kReserved},
      {"4000::1", kReserved},
      {"100::1", kReserved},            // discard
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(kind(text), expected) << text;
}

}  // namespace
}  // namespace weft::net
