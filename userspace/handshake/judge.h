// SPDX-License-Identifier: Apache-2.0
// judge: is this chain a peer we may talk to?
#pragma once

#include <cstdint>
#include <string>

#include "culvert/handshake.h"

namespace culvert {

struct Verdict {
  Refusal refusal = Refusal::none;
  std::uint8_t alert = 0;  // what the peer is told (RFC 8446 section 6.2)
  std::string detail;      // for the log: who it claims to be, and what is wrong
  PeerIdentity peer;       // if not refused
};

// The judgement of `chain` (DER, leaf first) by `bundle`. An identity of another trust domain is
// unknown_trust_domain, whatever else is wrong with the chain: no bundle of ours can judge it.
Verdict judge(std::span<const std::span<const std::uint8_t>> chain, const TrustBundle &bundle,
              Time now);

// A verdict of refusal with the alert that fits it.
Verdict refuse_peer(Refusal refusal, std::string detail);

// Text from an unauthenticated peer, made safe for a log line: no control bytes, at most 256.
std::string printable(std::string_view text);

}  // namespace culvert
