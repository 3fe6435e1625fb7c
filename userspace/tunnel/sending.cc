// SPDX-License-Identifier: Apache-2.0
// How a tunnel's records leave, and whether the peer still answers.
#include <poll.h>
#include <sys/socket.h>

#include "culvert/tunnel.h"
#include "silence.h"

namespace culvert {

Flow Tunnel::send_buffer(BufferHandle &buffer, std::size_t size_bytes) {
  if (dead_) return Flow::failed;
  return sent(parts_.records->send_buffer(buffer, size_bytes));
}

Flow Tunnel::send_slot(std::span<std::uint8_t> content) {
  if (dead_) return Flow::failed;
  return sent(parts_.records->send_slot(content));
}

Flow Tunnel::send(const ControlMessage &message) {
  if (dead_) return Flow::failed;
  if (bare() && message.kind == ControlMessage::Kind::end) {
    finishing_ = true;
    return sent(send_close_notify());
  }
  ENSURE(!bare());
  std::array<std::uint8_t, 3> bytes;
  return sent(parts_.records->send_control(ContentType::control, message.encode(bytes)));
}

Flow Tunnel::send_close_notify() {
  const std::uint8_t alert[2] = {1, 0};  // warning(1), close_notify(0)
  return parts_.records->send_control(ContentType::alert, alert);
}

Flow Tunnel::sent(Flow flow) {
  expect_answer();
  if (flow == Flow::done) {
    renew_key_if_worn();
    if (parts_.records->send_key_exhausted()) return Flow::failed;
    if (!parts_.records->unsent()) {
      flushed();
      return Flow::done;
    }
    flow = Flow::blocked;
  }
  if (flow == Flow::blocked) wait_writable();
  return flow;
}

void Tunnel::renew_key_if_worn() {
  if (!parts_.records->send_key_worn() || finishing_) return;
  if (parts_.records->renew_send_key(false) == Records::Renewal::done) {
    counters_.key_updates_sent.add();
  }
}

Refusal Tunnel::send_refusal() const {
  return parts_.records->send_key_exhausted() ? Refusal::key_limit : Refusal::peer_reset;
}

void Tunnel::spliced(std::size_t sent_bytes) {
  if (dead_ || sent_bytes == 0) return;
  expect_answer();
  parts_.records->sent_outside(sent_bytes);
  renew_key_if_worn();
}

void Tunnel::flushed() {
  if (!finishing_ || finished_) return;
  finished_ = true;
  (void)::shutdown(socket(), SHUT_WR);
}

void Tunnel::wait_writable() {
  if (writable_.in_flight()) return;
  writable_.bind<&Tunnel::on_writable>(this);
  ring_.poll(writable_, socket(), POLLOUT);
}

void Tunnel::on_writable(const Event &event) {
  if (dead_) return;
  if (event.result < 0) return closed(Refusal::peer_reset);
  const Flow flow = parts_.records->flush();
  if (flow == Flow::failed) return closed(Refusal::peer_reset);
  if (flow == Flow::blocked) return wait_writable();
  flushed();
  if (user_ != nullptr) user_->on_tunnel_writable();
}

// ---- silence ----

void Tunnel::expect_answer() {
  if (!silence_.armed()) silence_timers_.arm<&Tunnel::on_silence>(silence_, this, ring_.now());
}

void Tunnel::on_silence() {
  if (dead_) return;
  switch (hear(socket(), silence_timers_.duration())) {
    case Hearing::answered:
      return;
    case Hearing::waiting:
      return expect_answer();
    case Hearing::silent:
      return closed(Refusal::peer_silent);
  }
}

}  // namespace culvert
