// SPDX-License-Identifier: Apache-2.0
// mailbox: how other threads reach a data thread. Part of the ring room.
#pragma once

#include <atomic>
#include <memory>

#include "culvert/fd.h"
#include "culvert/result.h"
#include "culvert/ring.h"

namespace culvert {

// Mailbox carries messages from other threads to the thread of a ring. Lock-free; post() wakes the
// ring. A message is a closure-like object run by the receiving thread.
class Message {
 public:
  virtual ~Message() = default;
  virtual void deliver() = 0;

 private:
  friend class Mailbox;
  Message *next_ = nullptr;
};

class Mailbox {
 public:
  static Result<std::unique_ptr<Mailbox>> create();
  ~Mailbox();
  void post(std::unique_ptr<Message> message);  // any thread
  void open(Ring &ring);                        // the ring's thread: from now on deliver
  void close(Ring &ring);
  bool settled() const { return !readable_.in_flight(); }

 private:
  explicit Mailbox(UniqueFd event) : event_(std::move(event)) {}
  void on_readable(const Event &event);
  void deliver_all();
  UniqueFd event_;
  std::atomic<Message *> newest_{nullptr};
  Ring *ring_ = nullptr;
  Completion readable_;
};

}  // namespace culvert
