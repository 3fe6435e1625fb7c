// SPDX-License-Identifier: Apache-2.0
// address: one form for every IP address. 16 bytes, network order; IPv4 as ::ffff:a.b.c.d
// (RFC 4291 section 2.5.5.2), so that a v4 client of a dual-stack socket is the same key
// everywhere.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace culvert {

struct Ip {
  std::array<std::uint8_t, 16> bytes{};

  static std::optional<Ip> parse(
      std::string_view text);  // "10.0.0.1", "fd00::1", "::ffff:10.0.0.1"
  static Ip loopback_v4();
  static Ip loopback_v6();
  bool is_v4() const;  // v4-mapped
  bool is_loopback() const;
  bool is_unspecified() const;  // all zero: "none"
  std::string text() const;  // v4-mapped prints as IPv4
  auto operator<=>(const Ip &) const = default;
};

struct Endpoint {
  Ip ip;
  std::uint16_t port = 0;  // host order

  std::string text() const;  // "10.0.0.1:80", "[fd00::1]:80"
  auto operator<=>(const Endpoint &) const = default;
};

// SocketAddress is an Endpoint as the kernel takes it: AF_INET for v4-mapped, AF_INET6 otherwise.
class SocketAddress {
 public:
  SocketAddress() = default;
  explicit SocketAddress(const Endpoint &endpoint);
  static SocketAddress empty() { return {}; }  // to be filled by accept, getpeername, ...

  const sockaddr *get() const { return reinterpret_cast<const sockaddr *>(&storage_); }
  sockaddr *get() { return reinterpret_cast<sockaddr *>(&storage_); }
  socklen_t size() const { return size_; }
  socklen_t *size_pointer() { return &size_; }
  int family() const { return storage_.sin6_family; }
  Endpoint endpoint() const;  // {} if neither AF_INET nor AF_INET6

 private:
  sockaddr_in6 storage_{};  // the larger of the two; sessions hold one each
  socklen_t size_ = sizeof storage_;
};

}  // namespace culvert

template <>
struct std::hash<culvert::Ip> {
  std::size_t operator()(const culvert::Ip &ip) const noexcept;
};
template <>
struct std::hash<culvert::Endpoint> {
  std::size_t operator()(const culvert::Endpoint &endpoint) const noexcept;
};
