// SPDX-License-Identifier: Apache-2.0
// Timers of one duration are in order of deadline by being appended: no heap, no search.
#include "culvert/timer.h"

namespace culvert {

void Timer::disarm() {
  if (list_ == nullptr) return;
  (previous_ != nullptr ? previous_->next_ : list_->first_) = next_;
  (next_ != nullptr ? next_->previous_ : list_->last_) = previous_;
  list_ = nullptr;
  previous_ = next_ = nullptr;
}

void TimerList::append(Timer &timer, Clock::time_point now) {
  timer.disarm();
  timer.deadline_ = now + duration_;
  timer.list_ = this;
  timer.previous_ = last_;
  (last_ != nullptr ? last_->next_ : first_) = &timer;
  last_ = &timer;
}

TimerList::~TimerList() {
  while (first_ != nullptr)
    first_->disarm();
}

std::optional<Clock::time_point> TimerList::next() const {
  if (first_ == nullptr) return std::nullopt;
  return first_->deadline_;
}

void TimerList::run(Clock::time_point now) {
  while (first_ != nullptr && first_->deadline_ <= now) {
    Timer &due = *first_;
    due.disarm();
    due.call_(due.owner_);
  }
}

}  // namespace culvert
