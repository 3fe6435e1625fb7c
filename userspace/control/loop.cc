// SPDX-License-Identifier: Apache-2.0
#include <event2/event.h>

#include <cerrno>

#include "culvert/control.h"

namespace culvert {

struct Watch::State {
  event *watched = nullptr;
  std::shared_ptr<Loop::Task> task;  // shared: it may destroy its own Watch while it runs

  // An exception must not pass through libevent's frames: it ends the daemon here.
  static void on_event(evutil_socket_t, short, void *state) noexcept {
    auto running = static_cast<State *>(state)->task;
    (*running)();
  }
};

void Watch::Free::operator()(State *state) const {
  event_free(state->watched);
  delete state;
}

Result<std::unique_ptr<Loop>, Problem> Loop::create() {
  event_base *base = event_base_new();
  if (base == nullptr) {
    return problem("cannot make the control thread's event loop (epoll): " +
                   describe(os_error("event_base_new", errno)));
  }
  return std::unique_ptr<Loop>(new Loop(base));
}

Loop::~Loop() { event_base_free(base_); }

Watch Loop::watch(int fd, short what, std::chrono::milliseconds time, Task task) {
  auto state = std::make_unique<Watch::State>();
  state->task = std::make_shared<Task>(std::move(task));
  state->watched = event_new(base_, fd, what, &Watch::State::on_event, state.get());
  ENSURE(state->watched != nullptr);
  timeval interval{.tv_sec = time.count() / 1000, .tv_usec = (time.count() % 1000) * 1000};
  bool timed = (what & (EV_READ | EV_SIGNAL)) == 0;
  ENSURE(event_add(state->watched, timed ? &interval : nullptr) == 0);
  Watch watch;
  watch.state_.reset(state.release());
  return watch;
}

Watch Loop::on_readable(int fd, Task task) {
  return watch(fd, EV_READ | EV_PERSIST, {}, std::move(task));
}

Watch Loop::on_signal(int signal, Task task) {
  return watch(signal, EV_SIGNAL | EV_PERSIST, {}, std::move(task));
}

Watch Loop::after(std::chrono::milliseconds delay, Task task) {
  return watch(-1, 0, delay, std::move(task));
}

Watch Loop::every(std::chrono::milliseconds period, Task task) {
  return watch(-1, EV_PERSIST, period, std::move(task));
}

void Loop::run() {
  // Without EVLOOP_NO_EXIT_ON_EMPTY a loop that watches nothing for a moment would end.
  ENSURE(event_base_loop(base_, EVLOOP_NO_EXIT_ON_EMPTY) >= 0);
}

void Loop::stop() { event_base_loopbreak(base_); }

}  // namespace culvert
