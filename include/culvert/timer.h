// SPDX-License-Identifier: Apache-2.0
// timer: deadlines of a data thread, without a system call or an allocation each. Part of the ring
// room.
#pragma once

#include <chrono>
#include <optional>

namespace culvert {

using Clock = std::chrono::steady_clock;

// Timers of one fixed duration: a list in order of deadline, so that arming and disarming cost a
// few instructions and no allocation. The data thread asks next() for its deadline and calls run().
class Timer {
 public:
  Timer() = default;
  Timer(const Timer &) = delete;
  Timer &operator=(const Timer &) = delete;
  ~Timer() { disarm(); }
  bool armed() const { return list_ != nullptr; }
  void disarm();

 private:
  friend class TimerList;
  class TimerList *list_ = nullptr;
  Timer *previous_ = nullptr, *next_ = nullptr;
  Clock::time_point deadline_;
  void (*call_)(void *) = nullptr;
  void *owner_ = nullptr;
};

class TimerList {
 public:
  explicit TimerList(Clock::duration duration) : duration_(duration) {}
  TimerList(const TimerList &) = delete;
  ~TimerList();
  template <auto Method, class Owner>
  void arm(Timer &timer, Owner *owner, Clock::time_point now) {
    timer.call_ = [](void *object) { (static_cast<Owner *>(object)->*Method)(); };
    timer.owner_ = owner;
    append(timer, now);
  }
  std::optional<Clock::time_point> next() const;
  Clock::duration duration() const { return duration_; }
  void run(Clock::time_point now);  // calls the owners of what is due, disarmed before the call

 private:
  friend class Timer;
  void append(Timer &timer, Clock::time_point now);
  Clock::duration duration_;
  Timer *first_ = nullptr, *last_ = nullptr;
};

}  // namespace culvert
