// SPDX-License-Identifier: Apache-2.0
//
// What kind of network an IP address belongs to, by the registries of special-purpose addresses
// (RFC 6890 and its successors). Forms of IPv6 that carry an IPv4 address (mapped, compatible,
// NAT64, 6to4) are judged by the address that they carry, since that is where they lead.
// Pure; the client's guard asks it about the address that is really dialled.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace weft::net {

enum class AddressKind {
  kPublic,
  kLoopback,     // 127/8, ::1
  kPrivate,      // 10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7, 64:ff9b:1::/48
  kLinkLocal,    // 169.254/16 (metadata of clouds), fe80::/10
  kMulticast,    // 224/4, ff00::/8
  kUnspecified,  // 0/8, ::
  kReserved,     // broadcast, documentation, benchmarks, future use, Teredo
};
std::string_view kind_name(AddressKind kind);  // "a loopback address"

using Ipv4 = std::array<uint8_t, 4>;
using Ipv6 = std::array<uint8_t, 16>;

AddressKind kind_of(const Ipv4& address);
AddressKind kind_of(const Ipv6& address);

}  // namespace weft::net
