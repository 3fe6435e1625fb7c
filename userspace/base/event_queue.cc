// SPDX-License-Identifier: Apache-2.0
// event_queue.cc: one writer, one reader. head_ and tail_ only grow; a slot belongs to the reader
// while head_ <= its number < tail_ and to the writer otherwise. Each release store hands slots
// over.
#include <bit>

#include "culvert/report.h"

namespace culvert {

EventQueue::EventQueue(std::size_t capacity) : slots_(capacity) {
  ENSURE(std::has_single_bit(capacity));
}

bool EventQueue::push(ConnectionRecord &&record) {
  std::size_t tail = tail_.load(std::memory_order_relaxed);
  if (tail - head_.load(std::memory_order_acquire) == slots_.size()) return false;
  slots_[tail & (slots_.size() - 1)] = std::move(record);
  tail_.store(tail + 1, std::memory_order_release);
  return true;
}

std::optional<ConnectionRecord> EventQueue::pop() {
  std::size_t head = head_.load(std::memory_order_relaxed);
  if (head == tail_.load(std::memory_order_acquire)) return std::nullopt;
  // The slot keeps nothing alive: what the record points at may hold a whole snapshot's objects.
  std::optional<ConnectionRecord> record(std::exchange(slots_[head & (slots_.size() - 1)], {}));
  head_.store(head + 1, std::memory_order_release);
  return record;
}

}  // namespace culvert
