// SPDX-License-Identifier: Apache-2.0
// inbound_modes: what Istio's PeerAuthentication objects (security.istio.io/v1, v1beta1) and
// defaultMode say about one workload, as values: may a connection to this port come in plaintext?
// Written by source, which has resolved mesh, namespace, workload, UNSET and age; read by node (for
// the kernel) and session.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace culvert {

enum class MtlsMode : std::uint8_t {
  strict,  // tunnels only
  permissive,  // a tunnel or plaintext
  disable,  // plaintext only: what looks like a tunnel is the application's own
};
std::string_view name(MtlsMode mode);  // "STRICT", "PERMISSIVE", "DISABLE"

struct InboundModes {
  struct Port {
    std::uint16_t port = 0;  // the workload's own, host order
    MtlsMode mode{};
    bool operator==(const Port &) const = default;
  };
  MtlsMode everywhere = MtlsMode::strict;
  std::vector<Port> ports;  // by port; a port that is not here has `everywhere`
  std::string because;  // what decided: "PeerAuthentication shop/default", "defaultMode"

  MtlsMode at(std::uint16_t port) const;
  // Then its policies are asked, as without an identity.
  bool takes_plaintext(std::uint16_t port) const { return at(port) != MtlsMode::strict; }
  bool operator==(const InboundModes &) const = default;
};

}  // namespace culvert
