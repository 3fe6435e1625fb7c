// SPDX-License-Identifier: Apache-2.0
#include "outbound.h"

#include <algorithm>
#include <cstring>
#include <ranges>

#include "sockets.h"

namespace culvert {

namespace {

bool is_usable(const ServiceEndpoint &endpoint) {
  return endpoint.ready && endpoint.workload != nullptr && endpoint.workload->meshed;
}

}  // namespace

OutboundSession::OutboundSession(DataThread &thread, std::uint64_t cookie, UniqueFd application)
    : Session(thread, cookie),
      application_(std::move(application)),
      account_(thread, Direction::outbound) {}

OutboundSession::~OutboundSession() = default;

void OutboundSession::start() {
  account_.begin();
  application_address_ = peer_of(application_);
  account_.record.source_address = application_address_;
  const PodView *pod = thread_.pod(cookie_);
  if (pod == nullptr) return over(Refusal::pod_gone, "");
  source_ = account_.record.source = pod->workload;
  const auto wanted = thread_.flows.take(cookie_, application_address_);
  if (!wanted) return over(Refusal::not_captured, culvert::describe(wanted.error()));
  account_.record.destination_address = *wanted;
  if (thread_.full()) return over(Refusal::connections_max, "");
  if (const Refusal refusal = resolve(*wanted); refusal != Refusal::none) return over(refusal, "");
  account_.record.destination = destination_;
  in_clear_ = destination_->modes.at(target_.port) == MtlsMode::disable;
  identity_ = pod->identity;
  if (identity_ == nullptr && !in_clear_)
    return over(Refusal::no_identity, pod->workload->id.text());
  proceed();
}

// ---- which pod ----

Refusal OutboundSession::resolve(const Endpoint &wanted) {
  const Snapshot &snapshot = *thread_.view->snapshot;
  if (const ServicePortPtr service = snapshot.service(wanted); service != nullptr) {
    account_.record.service = service;
    return pick(*service, wanted.ip);
  }
  destination_ = snapshot.workload(wanted.ip);
  if (destination_ == nullptr || !destination_->meshed) return Refusal::unknown_destination;
  target_ = wanted;
  return Refusal::none;
}

// A ready endpoint, each in turn; of the family that was asked for if there is one.
Refusal OutboundSession::pick(const ServicePort &service, const Ip &wanted) {
  const auto same_family = [&](const ServiceEndpoint &endpoint) {
    return is_usable(endpoint) && endpoint.ip.is_v4() == wanted.is_v4();
  };
  const bool any_family = std::ranges::none_of(service.endpoints, same_family);
  const auto choice = [&](const ServiceEndpoint &endpoint) {
    return any_family ? is_usable(endpoint) : same_family(endpoint);
  };
  auto choices = service.endpoints | std::views::filter(choice);
  const std::ptrdiff_t count = std::ranges::distance(choices);
  if (count == 0) return Refusal::no_endpoint;
  const Endpoint address{wanted, service.port};
  std::uint32_t &turn = thread_.round_robin[std::hash<Endpoint>()(address)];
  const ServiceEndpoint &picked = *std::ranges::next(choices.begin(), turn++ % count);
  destination_ = picked.workload;
  target_ = {picked.ip, picked.port};
  return Refusal::none;
}

// ---- how to get there ----

void OutboundSession::proceed() {
  auto permit = judge({source_->id, destination_.get(), target_.port});
  if (!permit) return over(permit.error(), destination_->key());
  permit_ = *permit;
  policies_ = destination_->policies;
  if (thread_.pool.enabled() && !in_clear_) {
    auto idle = thread_.pool.take({cookie_, target_}, identity_.get(), destination_->id);
    if (idle) return ask(std::move(*idle));
  }
  connect();
}

void OutboundSession::ask(TunnelPool::Idle idle) {
  state_ = State::asking;
  tunnel_ = std::move(idle.tunnel);
  tunnel_born_ = idle.born;
  thread_.answer_timers.arm<&OutboundSession::on_timeout>(timer_, this, thread_.ring->now());
  tunnel_->set_user(this);
  const ControlMessage open{.kind = ControlMessage::Kind::open,
                            .client_port = application_address_.port};
  if (tunnel_->send(open) == Flow::failed) return on_tunnel_closed(Refusal::peer_reset);
  thread_.counters.tunnels_reused.add();
  account_.record.reused = true;
  account_.record.tunnel = tunnel_->shared_facts();
}

void OutboundSession::connect() {
  state_ = State::connecting;
  if (!thread_.handshake_begins(application_address_.ip)) return over(Refusal::handshakes_max, "");
  handshake_counted_ = true;
  const PodView *pod = thread_.pod(cookie_);
  if (pod == nullptr) return over(Refusal::pod_gone, "");
  auto socket = tunnel_socket(*pod->netns, target_, thread_.settings.keepalive);
  if (!socket) return over(Refusal::no_resources, culvert::describe(socket.error()));
  socket_ = std::move(*socket);
  target_address_ = SocketAddress(target_);
  // A Service led the pod back to itself. The pod's own address is never steered by sk_lookup, so
  // the tunnel goes to our own listener and says which port it means.
  if (std::ranges::find(source_->ips, target_.ip) != source_->ips.end()) {
    target_address_ = SocketAddress(own_inbound_listener(target_.ip));
    auto told = thread_.announcer.announce(socket_.get(), target_, IDENTITY_NONE);
    if (!told) return over(Refusal::no_resources, culvert::describe(told.error()));
  }
  thread_.handshake_timers.arm<&OutboundSession::on_timeout>(timer_, this, thread_.ring->now());
  connect_.bind<&OutboundSession::on_connected>(this);
  thread_.ring->connect(connect_, socket_.get(), target_address_);
}

void OutboundSession::on_connected(const Event &event) {
  if (state_ != State::connecting) return;
  timer_.disarm();
  if (event.result < 0) return over(Refusal::connect_failed, std::strerror(-event.result));
  if (in_clear_) {
    end_handshake();
    tunnel_ = make_plaintext_tunnel(thread_, std::move(socket_), source_->id);
    return relay(true);
  }
  state_ = State::shaking_hands;
  const Handshake::Server server{
      .id = destination_->id, .workload = destination_->key(), .address = target_};
  dialogue_ = std::make_unique<Dialogue>(thread_, *this, std::move(socket_), identity_, &server);
  dialogue_->start();
}

void OutboundSession::on_timeout() {
  over(state_ == State::connecting ? Refusal::connect_failed : Refusal::handshake_timeout,
       "no answer from " + target_.text());
}

void OutboundSession::on_handshake_refused(Refusal refusal, std::string detail) {
  over(refusal, std::move(detail));
}

void OutboundSession::end_handshake() {
  if (handshake_counted_) thread_.handshake_ends(application_address_.ip);
  handshake_counted_ = false;
  if (dialogue_ != nullptr) Dialogue::close(std::move(dialogue_));
}

void OutboundSession::on_established(Dialogue::Established established) {
  end_handshake();
  auto tunnel = make_tunnel(thread_, std::move(established), identity_->svid().id);
  if (!tunnel) return over(Refusal::offload_failed, culvert::describe(tunnel.error()));
  tunnel_ = std::move(*tunnel);
  tunnel_born_ = thread_.ring->now();
  thread_.counters.tunnels_opened.add();
  if (tunnel_->bare()) {
    push(*tunnel_);  // the handshake's last flight was held back for OPEN, which will not come
  } else {
    const ControlMessage open{.kind = ControlMessage::Kind::open,
                              .client_port = application_address_.port};
    if (tunnel_->send(open) == Flow::failed) return over(Refusal::peer_reset, "");
  }
  relay(tunnel_->bare());
}

// ---- the connection ----

void OutboundSession::relay(bool opened) {
  state_ = State::relaying;
  opened_ = opened;
  timer_.disarm();
  if (!in_clear_) account_.record.tunnel = tunnel_->shared_facts();
  account_.established();
  relay_ = std::make_unique<Relay>(*permit_, thread_.relay_place(), *tunnel_,
                                   std::move(application_), *this);
  relay_->start(opened);
}

bool OutboundSession::on_tunnel_data(std::span<iovec>, std::size_t, bool) {
  over(Refusal::protocol, "data before OPENED");
  return false;
}

void OutboundSession::on_tunnel_message(const ControlMessage &message) {
  switch (message.kind) {
    case ControlMessage::Kind::opened:
      return relay(true);
    case ControlMessage::Kind::refused:
      return refused_by_peer(message, true);
    case ControlMessage::Kind::open:
    case ControlMessage::Kind::end:
      break;
  }
  over(Refusal::protocol, "unexpected message while opening");
}

// The peer ended the idle tunnel before our OPEN reached it: no byte was sent, a fresh one is made.
void OutboundSession::on_tunnel_closed(Refusal) {
  if (state_ != State::asking) return;
  timer_.disarm();
  account_.record.reused = false;
  account_.record.tunnel = nullptr;
  Tunnel::close(std::move(tunnel_), Tunnel::Close::reset);
  connect();
}

void OutboundSession::on_relay_message(const ControlMessage &message) {
  if (!opened_ && message.kind == ControlMessage::Kind::opened) {
    opened_ = true;
    return relay_->opened();
  }
  if (!opened_ && message.kind == ControlMessage::Kind::refused) {
    return refused_by_peer(message, relay_->up_bytes() == 0);
  }
  over(Refusal::protocol, "message out of place");
}

void OutboundSession::refused_by_peer(const ControlMessage &message, bool tunnel_usable) {
  if (relay_ != nullptr) Relay::close(std::move(relay_));
  account_.record.established = false;  // data may have followed OPEN, nobody took them
  release_tunnel(tunnel_usable);
  over(Refusal::peer_refused, std::string(name(message.reason)));
}

void OutboundSession::on_relay_over(const Relay::Outcome &outcome) {
  const std::uint64_t up = relay_->up_bytes(), down = relay_->down_bytes();
  Relay::close(std::move(relay_));
  if (outcome.refusal == Refusal::none) {
    release_tunnel(outcome.tunnel_idle);
  } else {
    Tunnel::close(std::move(tunnel_), Tunnel::Close::reset);
  }
  account_.end(up, down, outcome.refusal, "");
  over(Refusal::none, "");
}

void OutboundSession::release_tunnel(bool reusable) {
  const PodView *pod = thread_.pod(cookie_);
  const WorkloadPtr now = thread_.view->snapshot->workload(target_.ip);
  const bool current =
      pod != nullptr && pod->identity == identity_ && now != nullptr && now->policies == policies_;
  if (reusable && current && thread_.pool.enabled()) {
    thread_.pool.put({cookie_, target_}, {.tunnel = std::move(tunnel_),
                                          .identity = identity_,
                                          .policies = policies_,
                                          .born = tunnel_born_});
  } else {
    Tunnel::close(std::move(tunnel_), Tunnel::Close::clean);
  }
}

void OutboundSession::on_view() {
  if (state_ == State::over) return;
  if (thread_.pod(cookie_) == nullptr) over(Refusal::pod_gone, "");
}

bool OutboundSession::describe(ConnectionRecord &record) const {
  if (state_ != State::relaying) return false;
  record = account_.now(relay_->up_bytes(), relay_->down_bytes());
  return true;
}

// The end, from any state. What is still held is reset: the application's socket carries SO_LINGER
// {1, 0} from its listener.
void OutboundSession::over(Refusal refusal, std::string detail) {
  if (state_ == State::over) return;
  state_ = State::over;
  std::uint64_t up = 0, down = 0;
  timer_.disarm();
  end_handshake();
  if (connect_.in_flight()) thread_.ring->cancel(connect_);
  if (relay_ != nullptr) {
    up = relay_->up_bytes();
    down = relay_->down_bytes();
    Relay::close(std::move(relay_));
  }
  if (tunnel_ != nullptr) Tunnel::close(std::move(tunnel_), Tunnel::Close::reset);
  application_.reset();
  if (account_.begun()) account_.end(up, down, refusal, std::move(detail));
  thread_.bury(*this);
}

}  // namespace culvert
