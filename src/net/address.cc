// SPDX-License-Identifier: Apache-2.0
#include "net/address.h"

#include <algorithm>
#include <iterator>

namespace weft::net {
namespace {

struct Block4 {
  uint32_t prefix;
  int bits;
  AddressKind kind;
};

constexpr uint32_t ip(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

constexpr Block4 kBlocks4[] = {
    {ip(0, 0, 0, 0), 8, AddressKind::kUnspecified},
    {ip(10, 0, 0, 0), 8, AddressKind::kPrivate},
    {ip(100, 64, 0, 0), 10, AddressKind::kPrivate},    // carrier-grade NAT
    {ip(127, 0, 0, 0), 8, AddressKind::kLoopback},
    {ip(169, 254, 0, 0), 16, AddressKind::kLinkLocal},
    {ip(172, 16, 0, 0), 12, AddressKind::kPrivate},
    {ip(192, 0, 0, 0), 24, AddressKind::kReserved},    // IETF protocol assignments
    {ip(192, 0, 2, 0), 24, AddressKind::kReserved},    // documentation
    {ip(192, 88, 99, 0), 24, AddressKind::kReserved},  // 6to4 relay
    {ip(192, 168, 0, 0), 16, AddressKind::kPrivate},
    {ip(198, 18, 0, 0), 15, AddressKind::kReserved},    // benchmarks
    {ip(198, 51, 100, 0), 24, AddressKind::kReserved},  // documentation
    {ip(203, 0, 113, 0), 24, AddressKind::kReserved},   // documentation
    {ip(224, 0, 0, 0), 4, AddressKind::kMulticast},
    {ip(240, 0, 0, 0), 4, AddressKind::kReserved},
};

bool begins(const Ipv6& address, std::initializer_list<uint8_t> bytes) {
  return std::equal(bytes.begin(), bytes.end(), address.begin());
}

Ipv4 part(const Ipv6& address, size_t at) {
  return {address[at], address[at + 1], address[at + 2], address[at + 3]};
}

}  // namespace

std::string_view kind_name(AddressKind kind) {
  switch (kind) {
    case AddressKind::kPublic: return "a public address";
    case AddressKind::kLoopback: return "a loopback address";
    case AddressKind::kPrivate: return "an address of a private network";
    case AddressKind::kLinkLocal: return "a link-local address";
    case AddressKind::kMulticast: return "a multicast address";
    case AddressKind::kUnspecified: return "an unspecified address";
    case AddressKind::kReserved: return "a reserved address";
  }
  return "an unknown address";
}

AddressKind kind_of(const Ipv4& address) {
  const uint32_t number = ip(address[0], address[1], address[2], address[3]);
  for (const Block4& block : kBlocks4) {
    if ((number ^ block.prefix) >> (32 - block.bits) == 0) return block.kind;
  }
  return AddressKind::kPublic;
}

AddressKind kind_of(const Ipv6& address) {
  const auto zeros_until = [&](size_t end) {
    return std::all_of(address.begin(), address.begin() + static_cast<std::ptrdiff_t>(end),
                       [](uint8_t byte) { return byte == 0; });
  };
  if (zeros_until(15)) {
    if (address[15] == 0) return AddressKind::kUnspecified;
    if (address[15] == 1) return AddressKind::kLoopback;
  }
  if (zeros_until(12)) return kind_of(part(address, 12));  // IPv4-compatible
  if (zeros_until(10) && address[10] == 0xFF && address[11] == 0xFF) {
    return kind_of(part(address, 12));  // IPv4-mapped
  }
  if (begins(address, {0x00, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0})) {
    return kind_of(part(address, 12));  // NAT64, RFC 6052
  }
  if (begins(address, {0x00, 0x64, 0xFF, 0x9B, 0x00, 0x01})) return AddressKind::kPrivate;
  if (begins(address, {0x20, 0x02})) return kind_of(part(address, 2));  // 6to4
  if (begins(address, {0xFF})) return AddressKind::kMulticast;
  if ((address[0] & 0xFE) == 0xFC) return AddressKind::kPrivate;
  if (address[0] == 0xFE && (address[1] & 0xC0) == 0x80) return AddressKind::kLinkLocal;
  if (address[0] == 0xFE && (address[1] & 0xC0) == 0xC0) return AddressKind::kPrivate;
  // outside 2000::/3 nothing is assigned; inside it Teredo, documentation and the like
  const bool global = (address[0] & 0xE0) == 0x20;
  const bool special = (begins(address, {0x20, 0x01}) && (address[2] & 0xFE) == 0) ||
                       begins(address, {0x20, 0x01, 0x0D, 0xB8}) ||
                       begins(address, {0x3F, 0xFF});
  return global && !special ? AddressKind::kPublic : AddressKind::kReserved;
}

}  // namespace weft::net
