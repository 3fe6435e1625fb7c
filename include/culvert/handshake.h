// SPDX-License-Identifier: Apache-2.0
// handshake: TLS 1.3 mutual authentication between two workloads, without I/O. Bytes go in, bytes
// come out; the caller owns the sockets and the clock. The only room that uses libssl (BoringSSL).
//
//   started --advance()--> needs_input | paused | done | refused
//   paused: an expensive step (a signature, a chain) is next; call advance({}) again when other
//   work has had its turn, so that bulk flows of the thread never wait longer than one of them.
//
// Rules (design): TLS 1.3 only; groups X25519MLKEM768, X25519, P-256; both sides send certificates;
// every refusal has its own reason; no 0-RTT. Resumption by PSK with (EC)DHE: tickets are bound to
// the client's identity, the server's certificate and the trust bundle's version, and live no
// longer than either certificate; the identity is checked again on each resumption.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/address.h"
#include "culvert/crypto.h"
#include "culvert/identity.h"
#include "culvert/refusal.h"
#include "culvert/result.h"

namespace culvert {

inline constexpr std::string_view tunnel_protocol = "culvert/1";  // ALPN

// What a connection begins with, where plaintext may come as well as a tunnel. Needs no TLS library
// and keeps nothing.
enum class Opening : std::uint8_t {
  tunnel,  // a ClientHello that offers culvert/1
  plaintext,  // anything else, an application's own TLS among it
  unclear,  // so far it could be either: look again when there is more
};
Opening opening_of(std::span<const std::uint8_t> bytes);

// TlsIdentity is one workload identity ready to shake hands: certificate, key, whom to believe.
// Immutable; made anew when the SVID or the bundle changes; shared by threads.
class TlsIdentity {
 public:
  struct Options {
    std::vector<CipherSuite> cipher_suites;  // preference order; one not in it is never used
    bool resumption = true;
  };
  static Result<std::shared_ptr<const TlsIdentity>> create(
      std::shared_ptr<const Svid> svid, std::shared_ptr<const TrustBundle> bundle,
      const Options &options);
  virtual ~TlsIdentity() = default;
  virtual const Svid &svid() const = 0;
  virtual const TrustBundle &bundle() const = 0;
};

// HandshakeMemory is what one data thread remembers between handshakes: sessions to resume (by
// source identity and certificate, destination workload and port, bundle version) and chains that
// were verified (SHA-256 of the chain and the bundle's version, until the earliest expiry).
// Bounded. Outlives the handshakes made with it; Tickets may stay longer. A session is offered
// again until a newer ticket replaces it, so that parallel connections resume too; a refused one is
// forgotten.
class HandshakeMemory {
 public:
  HandshakeMemory();
  ~HandshakeMemory();
  struct State;
  State &state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

// Tickets takes the NewSessionTicket messages that arrive after a client's handshake (inner content
// type handshake). Keep it until the first one came, then drop it: it holds the TLS library's
// state.
class Tickets {
 public:
  virtual ~Tickets() = default;
  // One decrypted handshake record, possibly with several messages. False: malformed, a message cut
  // across records, or another one than NewSessionTicket (KeyUpdate is the caller's).
  [[nodiscard]] virtual bool accept(std::span<const std::uint8_t> record) = 0;
};

// Authenticated is the proof that the peer is who it says; what later steps need is in here, and
// nothing of the TLS library but the tickets.
struct Authenticated {
  SpiffeId peer;
  Time peer_not_after;  // of its chain
  CipherSuite suite{};
  std::string_view group;  // "X25519MLKEM768"
  bool resumed = false;
  bool tunnel = false;  // ALPN culvert/1; otherwise a bare peer
  TrafficKeys send, receive;
  std::unique_ptr<Tickets> tickets;  // client side with resumption only
};

class Handshake {
 public:
  enum class Progress : std::uint8_t { needs_input, paused, done, refused };
  struct Step {
    Progress progress;
    std::size_t consumed;  // bytes of `input` taken; the rest belongs to what comes after
  };
  struct Server {  // whom a client expects
    SpiffeId id;
    std::string workload;  // destination workload, key of the session cache
    Endpoint address;  // its port is part of that key
  };

  static Result<std::unique_ptr<Handshake>> connect(std::shared_ptr<const TlsIdentity> self,
                                                    const Server &server, HandshakeMemory &memory);
  static Result<std::unique_ptr<Handshake>> accept(std::shared_ptr<const TlsIdentity> self,
                                                   HandshakeMemory &memory);
  virtual ~Handshake() = default;

  // Never reads beyond the peer's Finished: what follows it is not consumed. After refused, output
  // may hold an alert for the peer: send it, then close.
  virtual Step advance(std::span<const std::uint8_t> input) = 0;
  virtual std::span<const std::uint8_t> output() const = 0;
  virtual void output_sent(std::size_t size_bytes) = 0;

  virtual Refusal refusal() const = 0;  // after refused
  virtual std::string detail() const = 0;  // for the log: the peer's identity, the library's words
  // Once, after done. The server's ticket is already part of output and of send.sequence.
  virtual Authenticated finish() = 0;
};

}  // namespace culvert
