// SPDX-License-Identifier: Apache-2.0
// Beginning and end of a relay; the two directions are in upward.cc and downward.cc.
#include "culvert/relay.h"

#include <sys/socket.h>

namespace culvert {

Relay::Relay(const Permit &, const Place &place, Tunnel &tunnel, UniqueFd application, Owner &owner)
    : place_(place), tunnel_(tunnel), application_(std::move(application)), owner_(owner) {}

Relay::~Relay() = default;

bool Relay::settled() const {
  return !receive_.in_flight() && !writable_.in_flight() && !watch_.in_flight();
}

void Relay::start(bool opened) {
  opened_ = opened;
  tunnel_.set_user(this);
  wait_application();
  tunnel_.resume();
}

void Relay::close(std::unique_ptr<Relay> relay) {
  Relay &self = *relay;
  self.over_ = true;
  if (self.clean_) {  // FIN, after whatever is still in the socket's send queue
    const linger orderly{.l_onoff = 0, .l_linger = 0};
    (void)setsockopt(self.application_.get(), SOL_SOCKET, SO_LINGER, &orderly, sizeof orderly);
  }
  for (Completion *completion : {&self.receive_, &self.writable_, &self.watch_}) {
    if (completion->in_flight()) self.place_.ring.cancel(*completion);
  }
  self.up_pipe_.reset();
  self.down_pipe_.reset();
  // Nothing in flight is the common case: the application hears of the end now, not a turn later.
  if (self.settled()) self.application_.reset();
  self.place_.ring.bury(std::move(relay));
}

void Relay::on_tunnel_message(const ControlMessage &message) {
  if (over_) return;
  if (message.kind != ControlMessage::Kind::end) return owner_.on_relay_message(message);
  if (down_ended_ || !opened_) return fail(Refusal::protocol);
  end_down();
}

void Relay::on_tunnel_closed(Refusal refusal) {
  // A tunnel that is closed under a connection cut it off, however politely.
  over({.refusal = refusal == Refusal::none ? Refusal::truncated : refusal});
}

void Relay::on_watch(const Event &event) {
  if (over_ || event.result < 0) return;
  constexpr int poll_error = 8;  // POLLERR
  if ((event.result & poll_error) != 0) fail(Refusal::application_reset);
}

void Relay::fail(Refusal refusal) { over({.refusal = refusal}); }

void Relay::fail_application(int error) {
  const bool reset = error == ECONNRESET || error == EPIPE;
  fail(reset ? Refusal::application_reset : Refusal::application_failed);
}

void Relay::finish_if_over() {
  if (!up_ended_ || up_end_unsent_ || !down_ended_ || over_) return;
  clean_ = true;
  over({.refusal = Refusal::none, .tunnel_idle = !tunnel_.bare()});
}

void Relay::over(const Outcome &outcome) {
  if (over_) return;
  over_ = true;
  owner_.on_relay_over(outcome);
}

}  // namespace culvert
