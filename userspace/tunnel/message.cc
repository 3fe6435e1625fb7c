// SPDX-License-Identifier: Apache-2.0
// Control messages on the wire: a kind byte and its fields. Never empty, never padded.
#include "culvert/tunnel.h"

namespace culvert {

std::string_view name(RefusedReason reason) {
  switch (reason) {
    case RefusedReason::denied:
      return "denied";
    case RefusedReason::application_refused:
      return "application_refused";
    case RefusedReason::unavailable:
      break;
  }
  return "unavailable";
}

std::span<const std::uint8_t> ControlMessage::encode(std::span<std::uint8_t, 3> into) const {
  into[0] = static_cast<std::uint8_t>(kind);
  switch (kind) {
    case Kind::open:
      into[1] = static_cast<std::uint8_t>(client_port >> 8);
      into[2] = static_cast<std::uint8_t>(client_port);
      return into;
    case Kind::refused:
      into[1] = static_cast<std::uint8_t>(reason);
      return into.first(2);
    case Kind::opened:
    case Kind::end:
      break;
  }
  return into.first(1);
}

std::optional<ControlMessage> ControlMessage::decode(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return std::nullopt;
  ControlMessage message{.kind = static_cast<Kind>(bytes[0])};
  switch (message.kind) {
    case Kind::open:
      if (bytes.size() != 3) return std::nullopt;
      message.client_port = static_cast<std::uint16_t>(bytes[1] << 8 | bytes[2]);
      return message;
    case Kind::refused:
      if (bytes.size() != 2) return std::nullopt;
      message.reason = static_cast<RefusedReason>(bytes[1]);
      return message;
    case Kind::opened:
    case Kind::end:
      if (bytes.size() != 1) return std::nullopt;
      return message;
  }
  return std::nullopt;  // unknown kind
}

}  // namespace culvert
