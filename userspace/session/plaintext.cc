// SPDX-License-Identifier: Apache-2.0
#include "plaintext.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "sockets.h"

namespace culvert {

namespace {

thread_local std::array<std::uint8_t, 5 + 16384> peeked;  // one record

// poll(2) reports a socket readable from so many bytes on: what is already there wakes nobody.
void set_low_water(const UniqueFd &socket, std::size_t bytes) {
  const int value = static_cast<int>(bytes);
  (void)setsockopt(socket.get(), SOL_SOCKET, SO_RCVLOWAT, &value, sizeof value);
}

}  // namespace

void Greeting::start() {
  timers_.arm<&Greeting::on_timeout>(timer_, this, thread_.ring->now());
  wait(1);
}

void Greeting::close(std::unique_ptr<Greeting> greeting) {
  Greeting &self = *greeting;
  self.over_ = true;
  self.timer_.disarm();
  if (self.readable_.in_flight()) self.thread_.ring->cancel(self.readable_);
  if (!self.socket_.empty()) close_with_reset(std::move(self.socket_));
  self.thread_.ring->bury(std::move(greeting));
}

void Greeting::wait(std::size_t for_bytes) {
  if (for_bytes > 1) set_low_water(socket_, for_bytes);
  readable_.bind<&Greeting::on_readable>(this);
  thread_.ring->poll(readable_, socket_.get(), POLLIN);
}

void Greeting::on_readable(const Event &event) {
  if (over_) return;
  if (event.result < 0) return over(Opening::plaintext);  // whoever reads it finds the error
  const ssize_t n = ::recv(socket_.get(), peeked.data(), peeked.size(), MSG_PEEK | MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return wait(1);
  if (n <= 0 || (event.result & (POLLRDHUP | POLLHUP)) != 0) return over(Opening::plaintext);
  const auto size = static_cast<std::size_t>(n);
  const Opening opening = opening_of({peeked.data(), size});
  if (opening == Opening::unclear) return wait(size + 1);
  over(opening);
}

void Greeting::over(Opening opening) {
  if (over_) return;
  over_ = true;
  timer_.disarm();
  set_low_water(socket_, 1);
  owner_.on_greeting(opening, std::move(socket_));
}

std::unique_ptr<Tunnel> make_plaintext_tunnel(DataThread &thread, UniqueFd socket,
                                              const SpiffeId &local) {
  auto facts = std::make_shared<TunnelFacts>();
  facts->local = local;
  facts->bare = true;
  facts->plaintext = true;
  facts->engine = RecordEngine::userspace;
  auto records = Records::plaintext(socket, thread.buffers);
  return std::make_unique<Tunnel>(*thread.ring, thread.silence_timers, thread.counters,
                                  Tunnel::Parts{.socket = std::move(socket),
                                                .records = std::move(records),
                                                .facts = std::move(facts),
                                                .tickets = nullptr});
}

}  // namespace culvert
