// SPDX-License-Identifier: Apache-2.0
// Private to session: identities that a data thread met and the node has not given a number yet, on
// their way to the control thread. Lock-free; one writer, one reader.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "culvert/fd.h"
#include "culvert/identity.h"
#include "culvert/result.h"

namespace culvert {

class Unnumbered {
 public:
  static Result<std::unique_ptr<Unnumbered>> create();
  ~Unnumbered();
  void add(const SpiffeId &id);  // data thread
  int fd() const { return event_.get(); }  // readable: take() gives something
  std::vector<SpiffeId> take();  // control thread

 private:
  struct Node {
    SpiffeId id;
    Node *next;
  };
  explicit Unnumbered(UniqueFd event) : event_(std::move(event)) {}
  UniqueFd event_;
  std::atomic<Node *> newest_{nullptr};
};

}  // namespace culvert
