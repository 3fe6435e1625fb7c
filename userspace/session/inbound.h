// SPDX-License-Identifier: Apache-2.0
// Private to session: a tunnel to a local pod, and the connections it carries one after another.
//
//   start --> greeting (a PERMISSIVE port: what comes first?) --> shaking_hands, or connecting
//   start --> connecting (a port in mode DISABLE)
//   start --> shaking_hands --> numbering (the peer's identity has no number yet)
//                               --> idle (culvert/1: waiting for OPEN)
//                               --> connecting (a bare peer: at once)
//   idle --OPEN, verdict yes--> connecting --> relaying (OPENED sent) --clean end--> idle
//   idle --OPEN, verdict no---> idle (REFUSED sent)
//   bare: relaying --any end--> over
#pragma once

#include <memory>

#include "account.h"
#include "data_thread.h"
#include "dialogue.h"
#include "plaintext.h"

namespace culvert {

class InboundSession final : public Session,
                             public Dialogue::Owner,
                             public Greeting::Owner,
                             public Tunnel::User,
                             public Relay::Owner {
 public:
  InboundSession(DataThread &thread, std::uint64_t cookie, UniqueFd socket);
  ~InboundSession() override;
  bool settled() const override { return !connect_.in_flight(); }

  void start() override;
  void cut(Refusal refusal) override { over(refusal, "cut off"); }
  void on_view() override;
  bool describe(ConnectionRecord &record) const override;

  void on_greeting(Opening opening, UniqueFd socket) override;
  void on_established(Dialogue::Established established) override;
  void on_handshake_refused(Refusal refusal, std::string detail) override;
  bool on_tunnel_data(std::span<iovec> runs, std::size_t size_bytes, bool stable) override;
  void on_tunnel_message(const ControlMessage &message) override;
  void on_tunnel_writable() override {}
  void on_tunnel_closed(Refusal refusal) override;
  void on_relay_message(const ControlMessage &message) override;
  void on_relay_over(const Relay::Outcome &outcome) override;

 private:
  enum class State : std::uint8_t {
    starting,
    greeting,
    shaking_hands,
    numbering,
    idle,
    connecting,
    relaying,
    over
  };
  void shake_hands();
  void take_plaintext();
  bool plaintext() const { return tunnel_ != nullptr && tunnel_->facts().plaintext; }
  std::string peer() const;  // for people
  void begin();  // the peer's number is known
  void open(std::uint16_t client_port);
  std::expected<Permit, Denial> judge_now();
  void try_dry_run(const PodView &pod, const Client &client, bool allowed);
  std::string describe(const Denial &denial) const;
  PolicyPtr policy_at(std::uint16_t index) const;
  bool judge_again();  // false: over
  void count(bool allowed);
  void on_connected(const Event &event);
  void on_timeout();
  void answer_refused(Refusal refusal, RefusedReason reason, std::string detail);
  void become_idle();
  bool identity_is_current() const;
  void end_handshake();
  void over(Refusal refusal, std::string detail);

  State state_ = State::starting;
  UniqueFd socket_;  // until the handshake has it
  Account account_;
  Endpoint client_,
      local_;  // of the tunnel: the client pod's address; the pod's own, original port
  std::shared_ptr<const TlsIdentity> identity_;
  bool handshake_counted_ = false;
  std::unique_ptr<Greeting> greeting_;
  std::unique_ptr<Dialogue> dialogue_;
  std::unique_ptr<Tunnel> tunnel_;
  std::uint32_t number_ = IDENTITY_NONE;  // of the peer's identity
  std::optional<Permit> permit_;
  UniqueFd application_;
  SocketAddress target_address_;
  Completion connect_;
  Timer timer_;
  std::unique_ptr<Relay> relay_;
  bool refused_ = false;  // the client may have sent data behind an OPEN we refused
};

}  // namespace culvert
