// SPDX-License-Identifier: Apache-2.0
#include "unnumbered.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace culvert {

Result<std::unique_ptr<Unnumbered>> Unnumbered::create() {
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return fail_os("eventfd", errno);
  return std::unique_ptr<Unnumbered>(new Unnumbered(UniqueFd(fd)));
}

Unnumbered::~Unnumbered() { (void)take(); }

void Unnumbered::add(const SpiffeId &id) {
  Node *const node =  // take()'s
      std::make_unique<Node>(Node{id, newest_.load(std::memory_order_relaxed)}).release();
  while (!newest_.compare_exchange_weak(node->next, node, std::memory_order_release,
                                        std::memory_order_relaxed)) {
  }
  const std::uint64_t one = 1;
  ENSURE(::write(event_.get(), &one, sizeof one) == sizeof one);
}

std::vector<SpiffeId> Unnumbered::take() {
  std::uint64_t count = 0;
  if (::read(event_.get(), &count, sizeof count) < 0) return {};  // nothing since the last time
  std::vector<SpiffeId> ids;
  Node *next = newest_.exchange(nullptr, std::memory_order_acquire);
  while (next != nullptr) {
    const std::unique_ptr<Node> node(next);
    next = node->next;
    ids.push_back(node->id);
  }
  return ids;
}

}  // namespace culvert
