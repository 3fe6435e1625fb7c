// SPDX-License-Identifier: Apache-2.0
// Both directions while they splice.
#include <poll.h>

#include <cerrno>

#include "culvert/relay.h"
#include "pump.h"

namespace culvert {

// Null: not now, or not at all.
PipeHandle Relay::pipe_for_bulk(int &full_bursts) {
  if (full_bursts < bulk_bursts || place_.pipes == nullptr || over_) return {nullptr, {}};
  if (tunnel_.records().engine() != RecordEngine::kernel) return {nullptr, {}};
  full_bursts = 0;
  if (!set_nonblocking(application_.get()) || !set_nonblocking(tunnel_.socket())) {
    return {nullptr, {}};
  }
  return place_.pipes->take();
}

// ---- up ----

bool Relay::splice_up_begins() {
  if (tunnel_.blocked() || !opened_) return false;
  up_pipe_ = pipe_for_bulk(up_full_bursts_);
  return up_pipe_ != nullptr;
}

void Relay::splice_up() {
  if (tunnel_.blocked()) return up_blocked();  // on_tunnel_writable() comes
  const Pumped pumped = pump(*up_pipe_, application_.get(), tunnel_.socket());
  up_bytes_ += pumped.taken_bytes;
  place_.pipes->counters.spliced_sent_bytes.add(pumped.given_bytes);
  tunnel_.spliced(pumped.given_bytes);
  switch (pumped.stop) {
    case Pumped::Stop::no_bulk:
      up_pipe_.reset();
      [[fallthrough]];
    case Pumped::Stop::turn_over:
    case Pumped::Stop::source_empty:
      bulk_ = true;  // wait by poll
      return wait_application();
    case Pumped::Stop::sink_full:
      tunnel_.wait_writable();
      return up_blocked();
    case Pumped::Stop::source_failed:
      return fail_application(pumped.error);
    case Pumped::Stop::sink_failed:
      return fail(Refusal::peer_reset);
  }
}

// ---- down ----

// True: the tunnel stays paused, its socket is ours.
bool Relay::splice_down_begins() {
  down_pipe_ = pipe_for_bulk(down_full_bursts_);
  if (down_pipe_ == nullptr) return false;
  tunnel_.records().settle();  // all of it is written: the Buffer goes back
  wait_tunnel();
  return true;
}

void Relay::wait_tunnel() {
  writable_.bind<&Relay::on_tunnel_readable>(this);
  place_.ring.poll(writable_, tunnel_.socket(), POLLIN);
}

void Relay::on_tunnel_readable(const Event &event) {
  if (over_) return;
  if (event.result < 0) return fail(Refusal::peer_reset);
  splice_down();
}

void Relay::splice_down() {
  const Pumped pumped = pump(*down_pipe_, tunnel_.socket(), application_.get());
  down_bytes_ += pumped.taken_bytes;
  place_.pipes->counters.spliced_received_bytes.add(pumped.given_bytes);
  switch (pumped.stop) {
    case Pumped::Stop::no_bulk:
      down_pipe_.reset();
      return tunnel_.resume();
    case Pumped::Stop::turn_over:
    case Pumped::Stop::source_empty:
      return wait_tunnel();
    case Pumped::Stop::sink_full:
      writable_.bind<&Relay::on_writable>(this);
      return place_.ring.poll(writable_, application_.get(), POLLOUT);
    case Pumped::Stop::source_failed: {
      const bool forged = pumped.error == EBADMSG || pumped.error == EMSGSIZE;
      return fail(forged ? Refusal::record_invalid : Refusal::peer_reset);
    }
    case Pumped::Stop::sink_failed:
      return fail_application(pumped.error);
  }
}

}  // namespace culvert
