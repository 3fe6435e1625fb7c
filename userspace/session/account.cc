// SPDX-License-Identifier: Apache-2.0
#include "account.h"

namespace culvert {

TrafficKey traffic_key(const ConnectionRecord &record) {
  return {.direction = record.direction,
          .source = record.source,
          .destination = record.destination,
          .service = record.service,
          .peer_identity = record.tunnel != nullptr ? record.tunnel->peer.text() : "",
          .refusal = Refusal::none};
}

Account::Account(DataThread &thread, Direction direction) : thread_(thread) {
  record.direction = direction;
}

void Account::begin() {
  ENSURE(!begun_);
  begun_ = true;
  begun_at_ = thread_.ring->now();
  record.established = false;
  record.id = thread_.next_id();
  record.opened = std::chrono::system_clock::now();
  thread_.counters.connections[static_cast<std::size_t>(record.direction)].add();
}

void Account::established() {
  traffic_ = &thread_.traffic[traffic_key(record)];  // nodes stay where they are
  ++traffic_->opened;
  record.established = true;
}

void Account::end(std::uint64_t sent_bytes, std::uint64_t received_bytes, Refusal refusal,
                  std::string detail) {
  if (begun_) thread_.counters.connections[static_cast<std::size_t>(record.direction)].subtract();
  if (traffic_ != nullptr) {
    ++traffic_->closed;
    traffic_->sent_bytes += sent_bytes;
    traffic_->received_bytes += received_bytes;
    traffic_ = nullptr;
  }
  ConnectionRecord ended = now(sent_bytes, received_bytes);
  begun_ = false;
  ended.detail = std::move(detail);
  if (refusal == Refusal::none) {
    thread_.log(std::move(ended));
  } else {
    thread_.refuse(record.direction, refusal, std::move(ended));
  }
}

ConnectionRecord Account::now(std::uint64_t sent_bytes, std::uint64_t received_bytes) const {
  ConnectionRecord copy = record;
  copy.sent_bytes = sent_bytes;
  copy.received_bytes = received_bytes;
  if (begun_) {
    copy.duration =
        std::chrono::duration_cast<std::chrono::microseconds>(thread_.ring->now() - begun_at_);
  }
  return copy;
}

}  // namespace culvert
