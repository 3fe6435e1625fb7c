// SPDX-License-Identifier: Apache-2.0
// A stack of messages that many threads push to and one takes whole; the eventfd only wakes.
#include <poll.h>
#include <sys/eventfd.h>

#include <cerrno>

#include "culvert/mailbox.h"

namespace culvert {

Result<std::unique_ptr<Mailbox>> Mailbox::create() {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return fail_os("eventfd", errno);
  return std::unique_ptr<Mailbox>(new Mailbox(UniqueFd(fd)));
}

Mailbox::~Mailbox() {
  Message *message = newest_.exchange(nullptr);
  while (message != nullptr)
    delete std::exchange(message, message->next_);
}

void Mailbox::post(std::unique_ptr<Message> message) {
  Message *raw = message.release();
  Message *newest = newest_.load(std::memory_order_relaxed);
  do {
    raw->next_ = newest;
  } while (!newest_.compare_exchange_weak(newest, raw, std::memory_order_release,
                                          std::memory_order_relaxed));
  if (newest != nullptr) return;  // the post that found it empty wakes
  const std::uint64_t one = 1;
  const ssize_t written = ::write(event_.get(), &one, sizeof one);
  ENSURE(written == sizeof one || errno == EAGAIN);
}

void Mailbox::open(Ring &ring) {
  ring_ = &ring;
  readable_.bind<&Mailbox::on_readable>(this);
  ring.poll(readable_, event_.get(), POLLIN);
  deliver_all();
}

void Mailbox::close(Ring &ring) {
  ring_ = nullptr;
  if (readable_.in_flight()) ring.cancel(readable_);
}

void Mailbox::on_readable(const Event &) {
  if (ring_ == nullptr) return;
  std::uint64_t count = 0;
  // Read before taking: a post after the take finds the stack empty and wakes us again.
  if (::read(event_.get(), &count, sizeof count) < 0) ENSURE(errno == EAGAIN);
  ring_->poll(readable_, event_.get(), POLLIN);
  deliver_all();
}

void Mailbox::deliver_all() {
  Message *newest = newest_.exchange(nullptr, std::memory_order_acquire);
  Message *oldest = nullptr;
  while (newest != nullptr) {  // reverse: first posted, first delivered
    Message *next = newest->next_;
    newest->next_ = oldest;
    oldest = newest;
    newest = next;
  }
  while (oldest != nullptr) {
    std::unique_ptr<Message> message(std::exchange(oldest, oldest->next_));
    message->deliver();
  }
}

}  // namespace culvert
