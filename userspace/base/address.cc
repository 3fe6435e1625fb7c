// SPDX-License-Identifier: Apache-2.0
#include "culvert/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

#include "culvert/result.h"

namespace culvert {

namespace {

constexpr std::array<std::uint8_t, 12> v4_mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::size_t v4_offset = v4_mapped_prefix.size();

Ip mapped(const void *four_bytes) {
  Ip ip;
  std::ranges::copy(v4_mapped_prefix, ip.bytes.begin());
  std::memcpy(ip.bytes.data() + v4_offset, four_bytes, ip.bytes.size() - v4_offset);
  return ip;
}

// The finalizer of MurmurHash3: every input bit reaches every output bit, so that the addresses of
// one subnet, which differ in few bits, spread over a table.
constexpr std::uint64_t mix(std::uint64_t value) {
  value ^= value >> 33;
  value *= 0xff51afd7ed558ccd;
  value ^= value >> 33;
  value *= 0xc4ceb9fe1a85ec53;
  return value ^ (value >> 33);
}

}  // namespace

std::optional<Ip> Ip::parse(std::string_view text) {
  char name[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof name || text.find('\0') != text.npos) return std::nullopt;
  name[text.copy(name, text.size())] = '\0';
  in_addr v4;
  if (::inet_pton(AF_INET, name, &v4) == 1) return mapped(&v4);
  Ip ip;
  if (::inet_pton(AF_INET6, name, ip.bytes.data()) == 1) return ip;
  return std::nullopt;
}

Ip Ip::loopback_v4() {
  const in_addr_t address = htonl(INADDR_LOOPBACK);
  return mapped(&address);
}

Ip Ip::loopback_v6() {
  Ip ip;
  ip.bytes.back() = 1;
  return ip;
}

bool Ip::is_v4() const {
  return std::ranges::equal(v4_mapped_prefix, std::span(bytes).first<v4_offset>());
}

bool Ip::is_loopback() const { return is_v4() ? bytes[v4_offset] == 127 : *this == loopback_v6(); }

bool Ip::is_unspecified() const { return *this == Ip{}; }

std::string Ip::text() const {
  char name[INET6_ADDRSTRLEN];
  const char *text = is_v4() ? ::inet_ntop(AF_INET, bytes.data() + v4_offset, name, sizeof name)
                             : ::inet_ntop(AF_INET6, bytes.data(), name, sizeof name);
  ENSURE(text != nullptr);  // `name` is large enough for both families
  return text;
}

std::string Endpoint::text() const {
  const std::string address = ip.is_v4() ? ip.text() : "[" + ip.text() + "]";
  return address + ":" + std::to_string(port);
}

SocketAddress::SocketAddress(const Endpoint &endpoint) {
  if (endpoint.ip.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, endpoint.ip.bytes.data() + v4_offset, sizeof v4.sin_addr);
    std::memcpy(&storage_, &v4, sizeof v4);
    size_ = sizeof v4;
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    std::memcpy(&v6.sin6_addr, endpoint.ip.bytes.data(), sizeof v6.sin6_addr);
    std::memcpy(&storage_, &v6, sizeof v6);
    size_ = sizeof v6;
  }
}

Endpoint SocketAddress::endpoint() const {
  if (storage_.sin6_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &storage_, sizeof v4);
    return {mapped(&v4.sin_addr), ntohs(v4.sin_port)};
  }
  if (storage_.sin6_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &storage_, sizeof v6);
    Ip ip;
    std::memcpy(ip.bytes.data(), &v6.sin6_addr, ip.bytes.size());
    return {ip, ntohs(v6.sin6_port)};
  }
  return {};
}

}  // namespace culvert

std::size_t std::hash<culvert::Ip>::operator()(const culvert::Ip &ip) const noexcept {
  const auto halves = std::bit_cast<std::array<std::uint64_t, 2>>(ip.bytes);
  return culvert::mix(halves[0] + culvert::mix(halves[1]));
}

std::size_t std::hash<culvert::Endpoint>::operator()(
    const culvert::Endpoint &endpoint) const noexcept {
  return culvert::mix(std::hash<culvert::Ip>{}(endpoint.ip) + endpoint.port);
}
