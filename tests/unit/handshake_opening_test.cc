// SPDX-License-Identifier: Apache-2.0
// What a connection begins with: our own ClientHello, an application's, and what is none.
#include <catch2/catch_test_macros.hpp>

#include "handshake_ends.h"

namespace culvert::test {
namespace {

Bytes first_flight(End &client) {
  while (client.outbox.empty())
    client.step();
  return client.outbox;
}

Bytes own_hello() {
  const Domain domain;
  HandshakeMemory memory;
  const Handshake::Server server{.id = *SpiffeId::parse(server_id),
                                 .workload = "b/server",
                                 .address = {*Ip::parse("10.0.0.1"), 80}};
  CulvertEnd client(Handshake::connect(domain.identity(client_id), server, memory));
  return first_flight(client);
}

Bytes foreign_hello(const std::string &protocol) {
  ForeignOptions options;
  options.protocol = protocol;
  ForeignEnd client(options);
  return first_flight(client);
}

TEST_CASE("opening: a culvert's ClientHello is a tunnel, and unclear before it is whole") {
  const Bytes hello = own_hello();
  CHECK(opening_of(hello) == Opening::tunnel);
  for (std::size_t size = 0; size < hello.size(); ++size) {
    CAPTURE(size);
    REQUIRE(opening_of(std::span(hello).first(size)) == Opening::unclear);
  }
}

TEST_CASE("opening: an application's own TLS is plaintext, with ALPN and without") {
  CHECK(opening_of(foreign_hello("")) == Opening::plaintext);
  CHECK(opening_of(foreign_hello("h2")) == Opening::plaintext);
  CHECK(opening_of(foreign_hello("culvert/2")) == Opening::plaintext);
  CHECK(opening_of(foreign_hello("culvert/1")) == Opening::tunnel);
}

TEST_CASE("opening: what is no ClientHello is plaintext from the first byte that says so") {
  for (const char *text : {"GET / HTTP/1.1\r\n", "SSH-2.0-x\r\n", "\x17\x03\x03", "\x16\x02\x01",
                           "\x16\x03\x01\x40\x01", "\x16\x03\x01\x01\x20\x02"}) {
    CAPTURE(text);
    CHECK(opening_of(bytes(text)) == Opening::plaintext);
  }
  CHECK(opening_of(Bytes{0x16, 3, 1, 0, 4, 1}) == Opening::plaintext);  // too short for any
}

TEST_CASE(
    "opening: lengths that lie are plaintext, whichever byte is wrong nothing is read beyond") {
  const Bytes hello = own_hello();
  for (std::size_t at = 0; at < hello.size(); ++at) {
    for (const int change : {1, 0x7f, 0x80}) {
      Bytes wrong = hello;
      wrong[at] = static_cast<std::uint8_t>(wrong[at] ^ change);
      wrong.shrink_to_fit();
      (void)opening_of(wrong);  // ASan says if it is too far
    }
  }
  Bytes longer = hello;  // the message claims one byte more than its record has
  ++longer[8];
  CHECK(opening_of(longer) == Opening::plaintext);
}

}  // namespace
}  // namespace culvert::test
