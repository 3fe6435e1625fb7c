// SPDX-License-Identifier: Apache-2.0
// Application → tunnel.
//
// A wait gives us the first bytes in a ring's slot: a small message is protected there and sent,
// and no memory is held. A full slot means a burst: read on into a Buffer, 16 records at a time,
// until the application has no more or the tunnel is full. After a burst the next wait is a poll,
// so that bulk is read in large pieces from the start.
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "culvert/relay.h"
#include "pump.h"

namespace culvert {

namespace {

constexpr int rounds_max = 4;  // bursts per wake: 1 MiB, then others have their turn

}  // namespace

void Relay::wait_application() {
  if (over_ || up_ended_ || receive_.in_flight()) return;
  if (bulk_) {
    receive_.bind<&Relay::on_readable>(this);
    place_.ring.poll(receive_, application_.get(), POLLIN);
  } else {
    receive_.bind<&Relay::on_slot>(this);
    place_.ring.receive(receive_, application_.get(), BufferGroup::plaintext);
  }
}

void Relay::on_slot(const Event &event) {
  if (over_) return;
  if (event.result == -ENOBUFS) return read_burst();
  if (event.result == -EAGAIN) {  // splice made the socket non-blocking: only a poll waits for it
    bulk_ = true;
    return wait_application();
  }
  if (event.result < 0) return fail_application(-event.result);
  if (event.result == 0) return end_up();
  up_bytes_ += event.data.size();
  const Flow flow = tunnel_.send_slot(event.data);
  if (flow == Flow::failed) return fail(tunnel_.send_refusal());
  if (flow == Flow::blocked) return up_blocked();
  if (event.data.size() == Buffer::record) return read_burst();
  wait_application();
}

void Relay::on_readable(const Event &event) {
  if (over_) return;
  if (event.result < 0) return fail_application(-event.result);
  up_pipe_ != nullptr ? splice_up() : read_burst();
}

void Relay::read_burst() {
  if (splice_up_begins()) return splice_up();
  BufferHandle buffer = place_.buffers.take();
  for (int round = 0; round < rounds_max; ++round) {
    if (!read_once(buffer)) return;
  }
  bulk_ = true;
  wait_application();
}

// Reads and sends one Buffer. False: the burst is over, the next step is arranged.
bool Relay::read_once(BufferHandle &buffer) {
  const Records::Layout layout = tunnel_.records().layout();
  std::array<iovec, 16> pieces;
  for (std::size_t i = 0; i < layout.count; ++i) {
    pieces[i] = {.iov_base = buffer->bytes + layout.offset + i * layout.stride,
                 .iov_len = layout.piece};
  }
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = layout.count;
  const ssize_t n = ::recvmsg(application_.get(), &message, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
    wait_application();
    return false;
  }
  if (n < 0) {
    fail_application(errno);
    return false;
  }
  if (n == 0) {
    end_up();
    return false;
  }
  const auto size_bytes = static_cast<std::size_t>(n);
  up_bytes_ += size_bytes;
  bulk_ = size_bytes >= Buffer::record;
  up_full_bursts_ = size_bytes >= bulk_burst_size ? up_full_bursts_ + 1 : 0;
  const Flow flow = tunnel_.send_buffer(buffer, size_bytes);
  if (flow == Flow::failed) {
    fail(tunnel_.send_refusal());
    return false;
  }
  if (flow == Flow::blocked) {
    up_blocked();
    return false;
  }
  if (size_bytes == layout.piece * layout.count) return true;
  wait_application();
  return false;
}

void Relay::up_blocked() {
  // Not reading the application while the tunnel is full: its reset must be noticed all the same.
  if (watch_.in_flight()) return;
  watch_.bind<&Relay::on_watch>(this);
  place_.ring.poll(watch_, application_.get(), 0);
}

void Relay::end_up() {
  up_ended_ = true;
  const Flow flow = tunnel_.send({.kind = ControlMessage::Kind::end});
  if (flow == Flow::failed) return fail(tunnel_.send_refusal());
  up_end_unsent_ = flow == Flow::blocked;
  finish_if_over();
}

void Relay::on_tunnel_writable() {
  if (over_) return;
  up_end_unsent_ = false;
  if (up_ended_) return finish_if_over();
  if (up_pipe_ != nullptr && !receive_.in_flight()) return splice_up();
  if (!receive_.in_flight()) bulk_ ? read_burst() : wait_application();
}

}  // namespace culvert
