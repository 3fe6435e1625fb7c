// SPDX-License-Identifier: Apache-2.0
// ring: what a data thread waits for. One io_uring per data thread, created and used by that thread
// alone (SINGLE_ISSUER | DEFER_TASKRUN where the kernel has them). The only room that uses
// liburing.
//
// Waiting is asynchronous, acting is not: a session waits here (receive, poll, accept, connect) and
// then sends and reads on with plain non-blocking system calls while the data are hot in the cache.
// An idle receive owns no memory: its buffer is picked from a buffer ring when bytes arrive.
// Nothing below this door is needed to run the same on epoll.
//
// Rules: a Completion is a member of its owner, has at most one operation in flight and is
// immovable. Callbacks run from run_once() only, never from the call that starts an operation.
// Objects are not deleted inside callbacks: bury() deletes them at the end of a turn, once the
// kernel has let go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "culvert/address.h"
#include "culvert/fd.h"
#include "culvert/result.h"
#include "culvert/timer.h"

struct io_uring_sqe;

namespace culvert {

// What an operation brought. `result` is the operation's (bytes, descriptor, poll mask) or -errno.
// `data`: the bytes of a receive, valid during the callback only; Ring::headroom bytes before and
// Ring::tailroom bytes behind belong to the callback too (a record is made in place there).
struct Event {
  int result = 0;
  bool more = false;  // accept: the operation goes on
  std::span<std::uint8_t> data{};
};

class Completion {
 public:
  Completion() = default;
  Completion(const Completion &) = delete;
  Completion &operator=(const Completion &) = delete;
  ~Completion() { ENSURE(!in_flight_); }

  template <auto Method, class Owner>
  void bind(Owner *owner) {
    ENSURE(!in_flight_);
    owner_ = owner;
    call_ = [](void *object, const Event &event) {
      (static_cast<Owner *>(object)->*Method)(event);
    };
  }
  bool in_flight() const { return in_flight_; }

 private:
  friend class Ring;
  void (*call_)(void *, const Event &) = nullptr;
  void *owner_ = nullptr;
  bool in_flight_ = false;
  std::uint8_t group_ = 0;  // the buffer group of a receive in flight
};

// Mortal is what bury() takes: it is deleted once settled() (no completion in flight).
class Mortal {
 public:
  virtual ~Mortal() = default;
  virtual bool settled() const = 0;
};

enum class BufferGroup : std::uint8_t {
  plaintext,  // 16384 bytes: one record's content (RFC 8446 section 5.1)
  records,  // 16640 bytes: one protected record and its header
};

class Ring {
 public:
  static constexpr std::size_t headroom = 64;  // record header, and alignment
  static constexpr std::size_t tailroom = 64;  // inner type and tag

  struct Options {
    unsigned entries = 1024;
    unsigned buffers = 8;  // of each group, at first: one more each time that there was none
    unsigned buffers_max = 32;  // a power of two
  };
  // os/ENOSYS, os/EPERM: io_uring is switched off (kernel.io_uring_disabled, seccomp).
  static Result<std::unique_ptr<Ring>> create(const Options &options);
  ~Ring();

  void accept(Completion &completion, int listener);  // multishot: one event per connection
  void receive(Completion &completion, int fd, BufferGroup group);  // result 0: end of stream
  void poll(Completion &completion, int fd, unsigned events);  // once; result: the mask
  // `address` must stay until the event.
  void connect(Completion &completion, int fd, const SocketAddress &address);
  // The completion's event still comes: -ECANCELED, or what happened before.
  void cancel(Completion &completion);

  void bury(std::unique_ptr<Mortal> mortal);

  // Deletes the buried that are settled, submits, waits for at least one event or until `deadline`
  // (nullopt: for ever; or an earlier one of an earlier turn), runs callbacks, deletes again.
  void run_once(std::optional<Clock::time_point> deadline);
  Clock::time_point now() const { return now_; }  // of this turn

 private:
  struct State;
  explicit Ring(std::unique_ptr<State> state);
  io_uring_sqe *prepare(Completion *completion);
  void wake_at(Clock::time_point deadline);
  void dispatch();
  void deliver(Completion &completion, int result, unsigned flags);
  void sweep();
  std::unique_ptr<State> state_;
  Clock::time_point now_ = Clock::now();
};

}  // namespace culvert
