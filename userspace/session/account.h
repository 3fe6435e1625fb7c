// SPDX-License-Identifier: Apache-2.0
// Private to session: the bookkeeping of one application connection, from its first step to its
// line in the access log. Exactly one end() for each begin().
#pragma once

#include "data_thread.h"

namespace culvert {

// The row of the metrics that an established connection belongs to; without a tunnel: plaintext.
TrafficKey traffic_key(const ConnectionRecord &record);

class Account {
 public:
  Account(DataThread &thread, Direction direction);
  ~Account() { ENSURE(!begun_); }

  ConnectionRecord record;  // filled in by the session as it learns

  void begin();        // the connection counts against connections_max from here
  void established();  // bytes may flow: opened in the metrics
  bool begun() const { return begun_; }
  // source → destination and back, whichever side we are.
  void end(std::uint64_t sent_bytes, std::uint64_t received_bytes, Refusal refusal,
           std::string detail);
  // For a report: the record as it would be written now.
  ConnectionRecord now(std::uint64_t sent_bytes, std::uint64_t received_bytes) const;

 private:
  DataThread &thread_;
  Traffic *traffic_ = nullptr;
  bool begun_ = false;
  Clock::time_point begun_at_;
};

}  // namespace culvert
