// SPDX-License-Identifier: Apache-2.0
#include "memory.h"

namespace culvert {

HandshakeMemory::HandshakeMemory() : state_(std::make_unique<State>()) {}
HandshakeMemory::~HandshakeMemory() = default;

Digest &Digest::add(std::span<const std::uint8_t> part) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes_.push_back(static_cast<std::uint8_t>(part.size() >> shift));
  }
  bytes_.insert(bytes_.end(), part.begin(), part.end());
  return *this;
}

Digest &Digest::add(std::string_view part) {
  return add({reinterpret_cast<const std::uint8_t *>(part.data()), part.size()});
}

}  // namespace culvert
