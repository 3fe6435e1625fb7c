// SPDX-License-Identifier: Apache-2.0
// Tells a tunnel from what else an application may be sent, by its ClientHello (RFC 8446 section
// 4.1.2) alone: ALPN (RFC 7301) names culvert/1. An application's own TLS does not, and is none of
// our business. A culvert's ClientHello is one record.
#include <algorithm>
#include <optional>

#include "culvert/handshake.h"

namespace culvert {

namespace {

using View = std::span<const std::uint8_t>;

constexpr std::uint8_t handshake_record = 22, client_hello = 1;
constexpr std::size_t record_header = 5, message_header = 4, record_max = 16384;

// Reader takes values from the front; once something is missing everything after it is, too.
class Reader {
 public:
  explicit Reader(View bytes) : left_(bytes) {}
  bool good() const { return good_; }
  bool empty() const { return left_.empty(); }

  View take(std::size_t size) {
    if (!good_ || left_.size() < size) {
      good_ = false;
      return {};
    }
    const View taken = left_.first(size);
    left_ = left_.subspan(size);
    return taken;
  }
  std::size_t number(std::size_t bytes) {
    std::size_t value = 0;
    for (const std::uint8_t byte : take(bytes))
      value = value << 8 | byte;
    return value;
  }
  // A vector behind its length of so many bytes.
  View vector(std::size_t length_bytes) { return take(number(length_bytes)); }

 private:
  View left_;
  bool good_ = true;
};

// The body of the ClientHello; empty: not what its headers say.
View hello_body(View record) {
  Reader reader(record);
  reader.take(1);
  const View body = reader.vector(3);
  return reader.good() && reader.empty() ? body : View{};
}

bool offers_tunnel(View alpn) {
  Reader reader(alpn);
  Reader names(reader.vector(2));
  while (reader.good() && names.good() && !names.empty()) {
    const View name = names.vector(1);
    if (names.good() && std::ranges::equal(name, tunnel_protocol)) return true;
  }
  return false;
}

bool is_tunnel(View hello) {
  constexpr std::size_t version_and_random = 2 + 32, alpn_type = 16;
  Reader reader(hello);
  reader.take(version_and_random);
  reader.vector(1);  // session
  reader.vector(2);  // cipher suites
  reader.vector(1);  // compression
  Reader extensions(reader.vector(2));
  while (reader.good() && extensions.good() && !extensions.empty()) {
    const std::size_t type = extensions.number(2);
    const View data = extensions.vector(2);
    if (extensions.good() && type == alpn_type) return offers_tunnel(data);
  }
  return false;
}

}  // namespace

Opening opening_of(std::span<const std::uint8_t> bytes) {
  constexpr std::uint8_t begin[] = {handshake_record, 3};
  for (std::size_t i = 0; i < std::min(bytes.size(), std::size(begin)); ++i) {
    if (bytes[i] != begin[i]) return Opening::plaintext;
  }
  if (bytes.size() < record_header) return Opening::unclear;
  const std::size_t length = static_cast<std::size_t>(bytes[3]) << 8 | bytes[4];
  if (length <= message_header || length > record_max) return Opening::plaintext;
  if (bytes.size() > record_header && bytes[record_header] != client_hello) {
    return Opening::plaintext;
  }
  if (bytes.size() < record_header + length) return Opening::unclear;
  const View body = hello_body(bytes.subspan(record_header, length));
  return is_tunnel(body) ? Opening::tunnel : Opening::plaintext;
}

}  // namespace culvert
