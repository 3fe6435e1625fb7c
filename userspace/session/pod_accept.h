// SPDX-License-Identifier: Apache-2.0
// Private to session: the listening sockets of one pod on one data thread.
//
//   listening --connection--> listening, a session begins
//   listening --error-------> resting    (no descriptor: what waits is turned away first)
//   resting   --a moment----> listening
//
// Where there is no descriptor an accept fails at once, whether anybody waits or not: to begin it
// again at once would keep the thread busy and the clients waiting.
#pragma once

#include <array>

#include "data_thread.h"

namespace culvert {

class PodAccept final : public Mortal {
 public:
  PodAccept(DataThread &thread, std::uint64_t cookie, PodListeners listeners);
  bool settled() const override;
  static void close(std::unique_ptr<PodAccept> accept);

 private:
  struct Door {
    void open(PodAccept &its_pod, Direction its_direction, UniqueFd its_listener);
    void close();
    void listen();
    void on_accept(const Event &event);
    void turn_away_waiting(int error);

    PodAccept *pod = nullptr;
    Direction direction{};
    UniqueFd listener;
    Completion accept;
    Timer rest;
  };

  DataThread &thread_;
  const std::uint64_t cookie_;
  bool closed_ = false;
  std::array<Door, 4> doors_;
};

}  // namespace culvert
