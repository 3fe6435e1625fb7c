// SPDX-License-Identifier: Apache-2.0
// Tunnel → application. Runs are written where they were opened. If the application's socket is
// full the tunnel pauses; bytes that would not survive the pause are copied, others stay where they
// are.
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "culvert/relay.h"
#include "pump.h"

namespace culvert {

bool Relay::on_tunnel_data(std::span<iovec> runs, std::size_t size_bytes, bool stable) {
  if (over_) return false;
  if (down_ended_ || !opened_) {
    fail(Refusal::protocol);
    return false;
  }
  down_bytes_ += size_bytes;
  const Flow flow = write_runs(runs);
  if (flow == Flow::failed) return false;
  down_full_bursts_ = size_bytes >= bulk_burst_size ? down_full_bursts_ + 1 : 0;
  if (flow == Flow::done) return !splice_down_begins();
  keep(runs, stable);
  writable_.bind<&Relay::on_writable>(this);
  place_.ring.poll(writable_, application_.get(), POLLOUT);
  return false;
}

// Writes from the front of `runs`, which is left with what did not go.
Flow Relay::write_runs(std::span<iovec> &runs) {
  while (!runs.empty()) {
    msghdr message{};
    message.msg_iov = runs.data();
    message.msg_iovlen = runs.size();
    const ssize_t n = ::sendmsg(application_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return Flow::blocked;
    if (n < 0) {
      fail_application(errno);
      return Flow::failed;
    }
    auto left = static_cast<std::size_t>(n);
    while (!runs.empty() && left >= runs.front().iov_len) {
      left -= runs.front().iov_len;
      runs = runs.subspan(1);
    }
    if (left > 0) {
      runs.front().iov_base = static_cast<std::uint8_t *>(runs.front().iov_base) + left;
      runs.front().iov_len -= left;
    }
  }
  return Flow::done;
}

void Relay::keep(std::span<iovec> runs, bool stable) {
  if (stable) {
    runs_.assign(runs.begin(), runs.end());
    return;
  }
  copy_ = place_.buffers.take();
  std::size_t used = 0;
  for (const iovec &run : runs) {
    std::memcpy(copy_->bytes + used, run.iov_base, run.iov_len);
    used += run.iov_len;
  }
  runs_.assign(1, {.iov_base = copy_->bytes, .iov_len = used});
}

void Relay::on_writable(const Event &event) {
  if (over_) return;
  if (event.result < 0) return fail_application(-event.result);
  if (down_pipe_ != nullptr) return splice_down();
  std::span<iovec> left(runs_);
  const Flow flow = write_runs(left);
  if (flow == Flow::failed) return;
  if (flow == Flow::blocked) {
    runs_.erase(runs_.begin(), runs_.end() - static_cast<std::ptrdiff_t>(left.size()));
    writable_.bind<&Relay::on_writable>(this);
    place_.ring.poll(writable_, application_.get(), POLLOUT);
    return;
  }
  runs_.clear();
  copy_.reset();
  if (!splice_down_begins()) tunnel_.resume();
}

void Relay::end_down() {
  down_ended_ = true;
  if (up_ended_ && !up_end_unsent_) return finish_if_over();  // close() will send the FIN
  if (::shutdown(application_.get(), SHUT_WR) != 0 && errno != ENOTCONN) {
    return fail_application(errno);
  }
}

}  // namespace culvert
