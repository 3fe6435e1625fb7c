// SPDX-License-Identifier: Apache-2.0
// Control messages as docs/wire.md has them, byte by byte.
#include <catch2/catch_test_macros.hpp>

#include "culvert/tunnel.h"

namespace {

using namespace culvert;
using Kind = ControlMessage::Kind;

Bytes encoded(const ControlMessage &message) {
  std::array<std::uint8_t, 3> into{};
  const auto bytes = message.encode(into);
  return {bytes.begin(), bytes.end()};
}

TEST_CASE("message: empty, unknown kind or any other length, not decoded") {
  const Bytes irregular[] = {{},     {0}, {5},       {0xFF}, {1},    {1, 2},    {1, 2, 3, 4},
                             {2, 0}, {3}, {3, 1, 0}, {4, 0}, {4, 4}, {0, 0, 0}, {22, 1, 2}};
  for (const Bytes &bytes : irregular)
    CHECK_FALSE(ControlMessage::decode(bytes).has_value());
}

TEST_CASE("message: an unknown reason, decoded and named unavailable") {
  const auto message = ControlMessage::decode(Bytes{3, 77});
  REQUIRE(message.has_value());
  CHECK(name(message->reason) == "unavailable");
}

TEST_CASE("message: OPEN, the port big-endian") {
  CHECK(encoded({.kind = Kind::open, .client_port = 0xA1B2}) == Bytes{1, 0xA1, 0xB2});
  const auto message = ControlMessage::decode(Bytes{1, 0xA1, 0xB2});
  REQUIRE(message.has_value());
  CHECK(message->kind == Kind::open);
  CHECK(message->client_port == 0xA1B2);
}

TEST_CASE("message: OPENED, REFUSED and END, there and back") {
  CHECK(encoded({.kind = Kind::opened}) == Bytes{2});
  CHECK(encoded({.kind = Kind::refused, .reason = RefusedReason::denied}) == Bytes{3, 1});
  CHECK(encoded({.kind = Kind::refused, .reason = RefusedReason::application_refused}) ==
        Bytes{3, 2});
  CHECK(encoded({.kind = Kind::end}) == Bytes{4});
  CHECK(ControlMessage::decode(Bytes{2})->kind == Kind::opened);
  CHECK(ControlMessage::decode(Bytes{3, 2})->reason == RefusedReason::application_refused);
  CHECK(ControlMessage::decode(Bytes{4})->kind == Kind::end);
  CHECK(name(RefusedReason::denied) == "denied");
}

}  // namespace
