// SPDX-License-Identifier: Apache-2.0
#include "inbound.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sockets.h"

namespace culvert {

InboundSession::InboundSession(DataThread &thread, std::uint64_t cookie, UniqueFd socket)
    : Session(thread, cookie), socket_(std::move(socket)), account_(thread, Direction::inbound) {}

InboundSession::~InboundSession() = default;

// ---- the tunnel ----

void InboundSession::start() {
  client_ = peer_of(socket_);
  local_ = local_of(socket_);
  const PodView *pod = thread_.pod(cookie_);
  if (pod == nullptr) return over(Refusal::pod_gone, "");
  if (local_.ip.is_loopback()) {  // from this pod itself: ours through a Service, or nobody's
    const auto announced = thread_.flows.take_announced(cookie_, client_, local_);
    if (announced) {
      local_ = *announced;
      client_.ip = local_.ip;
    }
  }
  account_.record.source_address = client_;
  account_.record.destination_address = local_;
  account_.record.destination = pod->workload;
  account_.record.source = thread_.view->snapshot->workload(client_.ip);
  if (std::ranges::find(pod->workload->ips, local_.ip) == pod->workload->ips.end()) {
    return over(Refusal::not_steered, local_.text());  // straight to 127.0.0.1:15006
  }
  const MtlsMode mode = pod->workload->modes.at(local_.port);
  if (mode == MtlsMode::disable) return take_plaintext();
  if (!thread_.handshake_begins(client_.ip)) return over(Refusal::handshakes_max, "");
  handshake_counted_ = true;
  if (mode == MtlsMode::strict) return shake_hands();
  state_ = State::greeting;
  const bool likely_tunnel = account_.record.source != nullptr && account_.record.source->meshed;
  greeting_ = std::make_unique<Greeting>(thread_, *this, std::move(socket_), likely_tunnel);
  greeting_->start();
}

void InboundSession::on_greeting(Opening opening, UniqueFd socket) {
  socket_ = std::move(socket);
  Greeting::close(std::move(greeting_));
  const PodView *pod = thread_.pod(cookie_);
  const bool strict =  // by now
      pod == nullptr || !pod->workload->modes.takes_plaintext(local_.port);
  if (opening == Opening::tunnel || strict) return shake_hands();
  end_handshake();
  take_plaintext();
}

void InboundSession::shake_hands() {
  const PodView *pod = thread_.pod(cookie_);
  if (pod == nullptr) return over(Refusal::pod_gone, "");
  identity_ = pod->identity;
  if (identity_ == nullptr) return over(Refusal::no_identity, pod->workload->id.text());
  state_ = State::shaking_hands;
  dialogue_ = std::make_unique<Dialogue>(thread_, *this, std::move(socket_), identity_, nullptr);
  dialogue_->start();
}

// Desired state lets it in without an identity; the policies are asked all the same.
void InboundSession::take_plaintext() {
  const PodView *pod = thread_.pod(cookie_);
  if (pod == nullptr) return over(Refusal::pod_gone, "");
  tunnel_ = make_plaintext_tunnel(thread_, std::move(socket_), pod->workload->id);
  tunnel_->set_user(this);
  number_ = IDENTITY_NONE;
  open(client_.port);
}

void InboundSession::end_handshake() {
  if (handshake_counted_) thread_.handshake_ends(client_.ip);
  handshake_counted_ = false;
  if (greeting_ != nullptr) Greeting::close(std::move(greeting_));
  if (dialogue_ != nullptr) Dialogue::close(std::move(dialogue_));
}

void InboundSession::on_handshake_refused(Refusal refusal, std::string detail) {
  over(refusal, std::move(detail));
}

void InboundSession::on_established(Dialogue::Established established) {
  end_handshake();
  auto tunnel = make_tunnel(thread_, std::move(established), identity_->svid().id);
  if (!tunnel) return over(Refusal::offload_failed, culvert::describe(tunnel.error()));
  tunnel_ = std::move(*tunnel);
  account_.record.tunnel = tunnel_->shared_facts();
  tunnel_->set_user(this);
  thread_.handshake_timers.arm<&InboundSession::on_timeout>(timer_, this, thread_.ring->now());
  state_ = State::numbering;
  begin();
}

void InboundSession::begin() {
  const auto number = thread_.number_of(tunnel_->facts().peer);
  if (!number) return;  // a view brings it
  number_ = *number;
  if (tunnel_->bare()) return open(client_.port);
  state_ = State::idle;
  tunnel_->resume();
}

// ---- one connection ----

void InboundSession::open(std::uint16_t client_port) {
  timer_.disarm();
  refused_ = false;
  account_.record.source_address = {client_.ip, client_port};
  account_.begin();
  const WorkloadPtr source = thread_.view->snapshot->workload(client_.ip);
  // An address is only a hint for the log: the identity decides, and says when they disagree.
  account_.record.source =
      source != nullptr && source->id == tunnel_->facts().peer ? source : nullptr;
  auto permit = judge_now();
  count(permit.has_value());
  if (!permit) {
    return answer_refused(permit.error().reason, RefusedReason::denied, describe(permit.error()));
  }
  permit_ = *permit;
  const PodView *pod = thread_.pod(cookie_);
  if (thread_.draining()) return answer_refused(Refusal::draining, RefusedReason::unavailable, "");
  if (thread_.full())
    return answer_refused(Refusal::connections_max, RefusedReason::unavailable, "");
  auto socket = application_socket(*pod->netns, local_);
  if (!socket) {
    return answer_refused(Refusal::no_resources, RefusedReason::unavailable,
                          culvert::describe(socket.error()));
  }
  application_ = std::move(*socket);
  if (auto told =
          thread_.announcer.announce(application_.get(), account_.record.source_address, number_);
      !told) {
    return answer_refused(Refusal::no_resources, RefusedReason::unavailable,
                          culvert::describe(told.error()));
  }
  state_ = State::connecting;
  tunnel_->pause();  // what follows OPEN waits for the application
  target_address_ = SocketAddress(local_);
  thread_.handshake_timers.arm<&InboundSession::on_timeout>(timer_, this, thread_.ring->now());
  connect_.bind<&InboundSession::on_connected>(this);
  thread_.ring->connect(connect_, application_.get(), target_address_);
}

void InboundSession::on_connected(const Event &event) {
  if (state_ != State::connecting) return;
  timer_.disarm();
  if (event.result == -ECONNREFUSED) {
    return answer_refused(Refusal::application_refused, RefusedReason::application_refused,
                          "nobody listens on " + local_.text());
  }
  if (event.result == -EPERM) {  // bpf/last_word.h, by a newer set than our view's
    return answer_refused(Refusal::policy_denied, RefusedReason::denied,
                          "the kernel's last word, for " + peer());
  }
  if (event.result < 0) {
    const bool cancelled = event.result == -ECANCELED;
    return answer_refused(
        Refusal::application_failed, RefusedReason::unavailable,
        cancelled ? "no answer from " + local_.text() : std::strerror(-event.result));
  }
  if (!tunnel_->bare() && tunnel_->send({.kind = ControlMessage::Kind::opened}) == Flow::failed) {
    return over(Refusal::peer_reset, "");
  }
  state_ = State::relaying;
  account_.established();
  relay_ = std::make_unique<Relay>(*permit_, thread_.relay_place(), *tunnel_,
                                   std::move(application_), *this);
  relay_->start(true);
}

void InboundSession::on_timeout() {
  if (state_ == State::numbering)
    return over(Refusal::policy_pending, tunnel_->facts().peer.text());
  if (state_ != State::connecting) return over(Refusal::protocol, "no OPEN came");
  // on_connected() refuses: until then connect_ is in use, and the next OPEN may be here already.
  thread_.ring->cancel(connect_);
}

// The tunnel stays usable: only this connection is turned away. A bare peer has no other.
void InboundSession::answer_refused(Refusal refusal, RefusedReason reason, std::string detail) {
  timer_.disarm();
  application_.reset();
  if (tunnel_->bare()) return over(refusal, std::move(detail));
  account_.end(0, 0, refusal, std::move(detail));
  refused_ = true;
  if (tunnel_->send({.kind = ControlMessage::Kind::refused, .reason = reason}) == Flow::failed) {
    return over(Refusal::none, "");
  }
  become_idle();
}

void InboundSession::on_relay_message(const ControlMessage &) {
  over(Refusal::protocol, "message out of place");
}

void InboundSession::on_relay_over(const Relay::Outcome &outcome) {
  const std::uint64_t up = relay_->up_bytes(), down = relay_->down_bytes();
  Relay::close(std::move(relay_));
  account_.end(down, up, outcome.refusal, "");
  if (outcome.tunnel_idle) return become_idle();
  Tunnel::close(std::move(tunnel_),
                outcome.refusal == Refusal::none ? Tunnel::Close::clean : Tunnel::Close::reset);
  over(Refusal::none, "");
}

// ---- between connections ----

bool InboundSession::identity_is_current() const {
  const PodView *pod = thread_.pod(cookie_);
  return pod != nullptr && pod->identity == identity_;
}

void InboundSession::become_idle() {
  state_ = State::idle;
  if (!identity_is_current()) {
    Tunnel::close(std::move(tunnel_), Tunnel::Close::clean);
    return over(Refusal::none, "");
  }
  account_.record.reused = true;
  tunnel_->set_user(this);
  tunnel_->resume();
}

bool InboundSession::on_tunnel_data(std::span<iovec>, std::size_t, bool) {
  over(refused_ ? Refusal::none : Refusal::protocol, "data on an idle tunnel");
  return false;
}

void InboundSession::on_tunnel_message(const ControlMessage &message) {
  if (state_ == State::idle && message.kind == ControlMessage::Kind::open) {
    return open(message.client_port);
  }
  const bool late_end = refused_ && message.kind == ControlMessage::Kind::end;
  over(late_end ? Refusal::none : Refusal::protocol, "message out of place");
}

void InboundSession::on_tunnel_closed(Refusal refusal) {
  if (state_ == State::idle && (refusal == Refusal::none || refused_)) {
    Tunnel::close(std::move(tunnel_), Tunnel::Close::clean);
    return over(Refusal::none, "");
  }
  over(refusal == Refusal::none ? Refusal::truncated : refusal, "");
}

void InboundSession::on_view() {
  if (state_ == State::over) return;
  const PodView *pod = thread_.pod(cookie_);
  if (pod == nullptr) return over(Refusal::pod_gone, "");
  if (plaintext() && !pod->workload->modes.takes_plaintext(local_.port))
    return over(Refusal::plaintext, "mode STRICT by " + pod->workload->modes.because);
  if (state_ == State::numbering) return begin();
  const bool live = state_ == State::connecting || state_ == State::relaying;
  if (live && !judge_again()) return;
  if (state_ == State::idle && !identity_is_current()) {
    Tunnel::close(std::move(tunnel_), Tunnel::Close::clean);
    over(Refusal::none, "");
  }
}

bool InboundSession::describe(ConnectionRecord &record) const {
  if (state_ != State::relaying) return false;
  record = account_.now(relay_->down_bytes(), relay_->up_bytes());
  return true;
}

void InboundSession::over(Refusal refusal, std::string detail) {
  if (state_ == State::over) return;
  state_ = State::over;
  timer_.disarm();
  end_handshake();
  if (connect_.in_flight()) thread_.ring->cancel(connect_);
  std::uint64_t up = 0, down = 0;
  if (relay_ != nullptr) {
    up = relay_->up_bytes();
    down = relay_->down_bytes();
    Relay::close(std::move(relay_));
  }
  if (tunnel_ != nullptr) Tunnel::close(std::move(tunnel_), Tunnel::Close::reset);
  application_.reset();
  if (!socket_.empty()) close_with_reset(std::move(socket_));
  if (account_.begun() || refusal != Refusal::none) {
    account_.end(down, up, refusal, std::move(detail));
  }
  thread_.bury(*this);
}

}  // namespace culvert
