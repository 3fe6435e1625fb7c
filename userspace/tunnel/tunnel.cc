// SPDX-License-Identifier: Apache-2.0
// How a tunnel's records come in (sending.cc: how they leave), in order: wait (an idle tunnel by
// Ring::receive, which owns no memory; a busy one by poll and a held Buffer) → open records → hand
// runs of data and messages to the user, until the user pauses or nothing whole is left → keep the
// rest, wait again. Every callback may end the tunnel: dead_ is asked after each.
#include "culvert/tunnel.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "silence.h"

namespace culvert {

namespace {

constexpr int rounds_max = 4;  // reads per wake, so that one tunnel cannot starve others
constexpr int kernel_rounds_max = 16;  // the kernel engine reads inside next()
constexpr std::size_t bulk_size = 16000;

// What an error of the socket says of the peer: keepalive found nobody, or anything else.
Refusal lost(int error) { return error == ETIMEDOUT ? Refusal::peer_silent : Refusal::peer_reset; }

}  // namespace

Tunnel::Tunnel(Ring &ring, TimerList &silence_timers, Counters &counters, Parts parts)
    : ring_(ring), silence_timers_(silence_timers), counters_(counters), parts_(std::move(parts)) {}

Tunnel::~Tunnel() = default;

bool Tunnel::settled() const {
  return !receive_.in_flight() && !writable_.in_flight() && !watch_.in_flight();
}

void Tunnel::close(std::unique_ptr<Tunnel> tunnel, Close how) {
  Tunnel &self = *tunnel;
  if (how == Close::clean && !self.dead_ && !self.finishing_) (void)self.send_close_notify();
  if (how == Close::reset) {
    const linger reset{.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(self.socket(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  self.dead_ = true;
  self.user_ = nullptr;
  for (Completion *completion : {&self.receive_, &self.writable_, &self.watch_}) {
    if (completion->in_flight()) self.ring_.cancel(*completion);
  }
  self.ring_.bury(std::move(tunnel));
}

void Tunnel::resume() {
  paused_ = false;
  if (receive_.in_flight() || dead_ || draining_) return;
  drain();
  rest();
}

void Tunnel::on_slot(const Event &event) {
  if (dead_) return;
  if (event.result == -ENOBUFS) {
    bulk_ = true;  // the buffer ring is empty for a moment: read into a Buffer instead
    return rest();
  }
  if (event.result < 0) return closed(lost(-event.result));
  if (event.result == 0) return end_of_stream();
  if (paused_) {  // paused while the receive was already in flight: keep the bytes
    parts_.records->feed(event.data);
    parts_.records->settle();
    return;
  }
  parts_.records->feed(event.data);
  bulk_ = event.data.size() >= bulk_size;
  drain();
  rest();
}

void Tunnel::on_readable(const Event &event) {
  if (dead_ || paused_) return;
  if (event.result < 0) return closed(Refusal::peer_reset);
  if (!parts_.records->takes_slots() && parts_.records->engine() == RecordEngine::kernel) {
    drain();
    return rest();
  }
  for (int round = 0; round < rounds_max && !paused_ && !dead_; ++round) {
    const Records::Fill fill = parts_.records->fill();
    if (fill == Records::Fill::blocked) break;
    if (fill == Records::Fill::failed) return closed(Refusal::peer_reset);
    if (fill == Records::Fill::end_of_stream) return end_of_stream();
    drain();
    if (fill == Records::Fill::some) break;
  }
  rest();
}

void Tunnel::drain() {
  Records &records = *parts_.records;
  int rounds = records.engine() == RecordEngine::kernel ? kernel_rounds_max : -1;
  draining_ = true;
  while (!paused_ && !dead_ && rounds-- != 0) {
    const Incoming incoming = records.next();
    if (incoming.kind == Incoming::Kind::nothing) break;
    take(incoming);
  }
  draining_ = false;
}

void Tunnel::rest() {
  if (dead_) return;
  Records &records = *parts_.records;
  if (!paused_ || !records.stable()) records.settle();
  if (paused_ || peer_finished_) {  // not reading, but a reset must be noticed
    if (!watch_.in_flight()) {
      watch_.bind<&Tunnel::on_watch>(this);
      ring_.poll(watch_, socket(), 0);  // POLLERR and POLLHUP are always reported
    }
    return;
  }
  if (receive_.in_flight()) return;
  if (records.takes_slots() && !bulk_) {
    receive_.bind<&Tunnel::on_slot>(this);
    ring_.receive(receive_, socket(), BufferGroup::records);
  } else {
    receive_.bind<&Tunnel::on_readable>(this);
    ring_.poll(receive_, socket(), POLLIN);
    bulk_ = false;
  }
}

void Tunnel::on_watch(const Event &event) {
  if (dead_ || event.result < 0) return;
  if ((event.result & POLLERR) != 0) return closed(lost(socket_error(socket())));
  // POLLHUP alone: both sides have finished; reading will say how.
}

void Tunnel::take(const Incoming &incoming) {
  switch (incoming.kind) {
    case Incoming::Kind::data:
      bulk_ = incoming.size_bytes >= bulk_size;
      if (peer_finished_ || user_ == nullptr) return closed(Refusal::protocol);
      paused_ = true;  // unless taken, or resumed meanwhile
      if (user_->on_tunnel_data(incoming.runs, incoming.size_bytes, parts_.records->stable())) {
        paused_ = false;
      }
      return;
    case Incoming::Kind::control:
      break;
    case Incoming::Kind::end_of_stream:
      return end_of_stream();
    case Incoming::Kind::nothing:
      return;
    case Incoming::Kind::failed:
      return closed(incoming.refusal);
  }
  switch (incoming.type) {
    case ContentType::alert:
      return take_alert(incoming.content);
    case ContentType::handshake:
      return take_handshake(incoming.content);
    case ContentType::control: {
      const auto message = ControlMessage::decode(incoming.content);
      if (!message || bare() || peer_finished_) return closed(Refusal::protocol);
      return user_->on_tunnel_message(*message);
    }
    case ContentType::application_data:
      break;
  }
  closed(Refusal::protocol);
}

void Tunnel::take_alert(std::span<const std::uint8_t> alert) {
  if (alert.size() != 2) return closed(Refusal::protocol);
  constexpr std::uint8_t close_notify = 0;
  if (alert[1] != close_notify) return closed(Refusal::peer_alert);
  if (peer_finished_) return closed(Refusal::protocol);
  peer_finished_ = true;
  if (!bare()) return closed(Refusal::none);
  user_->on_tunnel_message({.kind = ControlMessage::Kind::end});
}

void Tunnel::take_handshake(std::span<const std::uint8_t> message) {
  constexpr std::uint8_t key_update = 24;
  if (message.size() == 5 && message[0] == key_update && message[4] <= 1) {
    if (!parts_.records->renew_receive_key()) return closed(Refusal::key_limit);
    counters_.key_updates_received.add();
    // We answer a request at once; until then the peer waits for nothing, so `later` is harmless.
    if (message[4] == 1 && !finishing_ &&
        parts_.records->renew_send_key(false) == Records::Renewal::done) {
      counters_.key_updates_sent.add();
      sent(parts_.records->unsent() ? Flow::blocked : Flow::done);
    }
    return;
  }
  constexpr std::uint8_t new_session_ticket = 4;
  if (message.empty() || message[0] != new_session_ticket) return closed(Refusal::protocol);
  // Tickets are dropped after the first record, which holds the only one a culvert sends.
  if (parts_.tickets == nullptr) return;
  if (!parts_.tickets->accept(message)) return closed(Refusal::protocol);
  parts_.tickets.reset();
}

void Tunnel::end_of_stream() {
  if (peer_finished_) return rest();  // a bare peer's FIN behind its close_notify
  if (parts_.facts->plaintext && user_ != nullptr) {  // nothing tells an end from a cut there
    peer_finished_ = true;
    user_->on_tunnel_message({.kind = ControlMessage::Kind::end});
    return rest();
  }
  closed(Refusal::truncated);
}

void Tunnel::closed(Refusal refusal) {
  if (dead_) return;
  dead_ = true;
  if (user_ != nullptr) std::exchange(user_, nullptr)->on_tunnel_closed(refusal);
}

}  // namespace culvert
