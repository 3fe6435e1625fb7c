// SPDX-License-Identifier: Apache-2.0
// Private to session: a connection of a local application.
//
//   start --idle tunnel--> asking (OPEN sent, data wait) --OPENED--> relaying
//                          asking --tunnel gone--> connecting       (no byte was sent: none is
//                          lost)
//   start --none----------> connecting --> shaking_hands --> relaying (OPEN sent, data follow)
//                           connecting --> relaying           (the destination's mode is DISABLE)
//   relaying --> over: the tunnel is pooled if the end was clean
#pragma once

#include <memory>
#include <optional>

#include "account.h"
#include "data_thread.h"
#include "dialogue.h"
#include "plaintext.h"

namespace culvert {

class OutboundSession final : public Session,
                              public Dialogue::Owner,
                              public Tunnel::User,
                              public Relay::Owner {
 public:
  OutboundSession(DataThread &thread, std::uint64_t cookie, UniqueFd application);
  ~OutboundSession() override;
  bool settled() const override { return !connect_.in_flight(); }

  void start() override;
  void cut(Refusal refusal) override { over(refusal, "cut off"); }
  void on_view() override;
  bool describe(ConnectionRecord &record) const override;

  void on_established(Dialogue::Established established) override;
  void on_handshake_refused(Refusal refusal, std::string detail) override;
  bool on_tunnel_data(std::span<iovec> runs, std::size_t size_bytes, bool stable) override;
  void on_tunnel_message(const ControlMessage &message) override;
  void on_tunnel_writable() override {}
  void on_tunnel_closed(Refusal refusal) override;
  void on_relay_message(const ControlMessage &message) override;
  void on_relay_over(const Relay::Outcome &outcome) override;

 private:
  enum class State : std::uint8_t { starting, asking, connecting, shaking_hands, relaying, over };
  Refusal resolve(const Endpoint &wanted);
  Refusal pick(const ServicePort &service, const Ip &wanted);
  void proceed();
  void ask(TunnelPool::Idle idle);
  void connect();
  void on_connected(const Event &event);
  void on_timeout();
  void relay(bool opened);
  void refused_by_peer(const ControlMessage &message, bool tunnel_usable);
  void release_tunnel(bool reusable);
  void end_handshake();
  void over(Refusal refusal, std::string detail);

  State state_ = State::starting;
  UniqueFd application_;
  Account account_;
  WorkloadPtr source_, destination_;
  Endpoint application_address_, target_;  // target: the destination pod's own address and port
  std::shared_ptr<const TlsIdentity> identity_;
  std::optional<Permit> permit_;
  PolicySetPtr policies_;  // the destination's, when the tunnel was chosen or made
  UniqueFd socket_;  // while connecting
  SocketAddress target_address_;
  Completion connect_;
  Timer timer_;
  bool handshake_counted_ = false;
  std::unique_ptr<Dialogue> dialogue_;
  std::unique_ptr<Tunnel> tunnel_;
  Clock::time_point tunnel_born_;
  std::unique_ptr<Relay> relay_;
  bool opened_ = false;
  bool in_clear_ = false;  // as desired state says of the destination's port, never for a failure
};

}  // namespace culvert
