// SPDX-License-Identifier: Apache-2.0
#include "pod_accept.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace culvert {

namespace {

constexpr int turned_away_max = 256;  // of one error, then others have their turn

bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

PodAccept::PodAccept(DataThread &thread, std::uint64_t cookie, PodListeners listeners)
    : thread_(thread), cookie_(cookie) {
  doors_[0].open(*this, Direction::outbound, std::move(listeners.outbound_v4));
  doors_[1].open(*this, Direction::outbound, std::move(listeners.outbound_v6));
  doors_[2].open(*this, Direction::inbound, std::move(listeners.inbound_v4));
  doors_[3].open(*this, Direction::inbound, std::move(listeners.inbound_v6));
}

bool PodAccept::settled() const {
  return std::ranges::none_of(doors_, [](const Door &door) { return door.accept.in_flight(); });
}

void PodAccept::close(std::unique_ptr<PodAccept> accept) {
  accept->closed_ = true;
  for (Door &door : accept->doors_)
    door.close();
  Ring &ring = *accept->thread_.ring;
  ring.bury(std::move(accept));
}

void PodAccept::Door::open(PodAccept &its_pod, Direction its_direction, UniqueFd its_listener) {
  pod = &its_pod;
  direction = its_direction;
  listener = std::move(its_listener);
  if (!listener.empty()) listen();
}

void PodAccept::Door::close() {
  rest.disarm();
  if (accept.in_flight()) pod->thread_.ring->cancel(accept);
}

void PodAccept::Door::listen() {
  accept.bind<&Door::on_accept>(this);
  pod->thread_.ring->accept(accept, listener.get());
}

void PodAccept::Door::on_accept(const Event &event) {
  DataThread &thread = pod->thread_;
  if (event.result >= 0) {
    thread.accept(direction, pod->cookie_, UniqueFd(event.result));
  } else if (!pod->closed_ && is_shortage(-event.result)) {
    turn_away_waiting(-event.result);
  }
  if (event.more || pod->closed_) return;
  if (event.result >= 0) return listen();
  thread.accept_timers.arm<&Door::listen>(rest, this, thread.ring->now());
}

// With the thread's spare descriptor, which is free again when the connection is reset.
void PodAccept::Door::turn_away_waiting(int error) {
  DataThread &thread = pod->thread_;
  for (int count = 0; count < turned_away_max; ++count) {
    pollfd waiting{.fd = listener.get(), .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 0) != 1) break;
    thread.spare.reset();
    const int fd = ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) break;
    thread.turn_away(direction, pod->cookie_, UniqueFd(fd), Refusal::no_resources,
                     culvert::describe(os_error("accept", error)));
  }
  thread.keep_spare();
}

}  // namespace culvert
