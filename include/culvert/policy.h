// SPDX-License-Identifier: Apache-2.0
// policy: may this peer open a connection to this workload? Pure: no I/O, no clock.
//
// A Permit is the proof that the question was asked and answered yes; only judge() makes one, and
// the relay does not start without. Every authenticated member of the mesh may reach every other,
// if the workload's policies say so, too.
#pragma once

#include <cstdint>
#include <expected>

#include "culvert/compiled_policy.h"
#include "culvert/identity.h"
#include "culvert/refusal.h"
#include "culvert/snapshot.h"

namespace culvert {

// What is judged. `peer` is from the TLS handshake, never from an address.
struct Connection {
  const SpiffeId &peer;
  const Workload *destination;  // null: not known (any more)
  std::uint16_t port;           // the workload's, host order
};

// What the workload's policies are asked, besides the port.
struct Client {
  std::uint32_t identity;  // the peer's number; IDENTITY_NONE: plaintext, with an empty `peer`
  Ip address;              // the client's own
  bool to_v6;              // the address of the workload that it asked for
};

struct Denial {
  Refusal reason{};
  // policy_denied: index in the set: that denies it, or the first of those that do not allow it
  std::uint16_t policy = VERDICT_NO_POLICY;
};

class Permit {
 public:
  std::uint16_t port() const { return port_; }
  std::uint16_t policy() const { return policy_; }  // index in the set; VERDICT_NO_POLICY: none

 private:
  friend std::expected<Permit, Refusal> judge(const Connection &connection);
  friend std::expected<Permit, Denial> judge(const Connection &connection, const Client &client,
                                             const PolicyTable *policies);
  explicit Permit(std::uint16_t port, std::uint16_t policy = VERDICT_NO_POLICY)
      : port_(port), policy_(policy) {}
  std::uint16_t port_;
  std::uint16_t policy_;
};

// Where no policies are in force.
[[nodiscard]] std::expected<Permit, Refusal> judge(const Connection &connection);

// `policies`: the workload's own. Null: not compiled yet, refused. A plaintext connection is judged
// by them alone; that it may come at all has been decided by the mode of the port.
[[nodiscard]] std::expected<Permit, Denial> judge(const Connection &connection,
                                                  const Client &client,
                                                  const PolicyTable *policies);

}  // namespace culvert
