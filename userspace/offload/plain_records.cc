// SPDX-License-Identifier: Apache-2.0
// No records at all: the bytes as they are, for a connection that the mode of its port lets come in
// plaintext. There are no control records either, so FIN is the end and close_notify says nothing.
#include <algorithm>

#include "outbox.h"

namespace culvert {
namespace {

class PlainRecords final : public Records {
 public:
  PlainRecords(int fd, BufferPool &pool) : fd_(fd), pool_(pool), outbox_(fd, pool, error_) {}

  RecordEngine engine() const override { return RecordEngine::userspace; }
  Layout layout() const override {
    return {.offset = 0, .piece = Buffer::size, .stride = Buffer::size, .count = 1};
  }

  Flow send_buffer(BufferHandle &buffer, std::size_t size_bytes) override {
    ENSURE(!unsent() && size_bytes > 0);
    return outbox_.send(buffer, size_bytes);
  }
  Flow send_slot(std::span<std::uint8_t> content) override {
    ENSURE(!unsent() && !content.empty());
    return outbox_.send(content);
  }
  Flow send_control(ContentType, std::span<const std::uint8_t>) override {
    return unsent() ? Flow::blocked : Flow::done;
  }
  Flow flush() override { return outbox_.flush(); }
  void sent_outside(std::size_t) override { ENSURE(false); }
  bool unsent() const override { return !outbox_.empty(); }

  bool takes_slots() const override { return held_ == nullptr; }
  void feed(std::span<std::uint8_t> slot) override {
    ENSURE(held_ == nullptr && input_.empty());
    input_ = slot;
  }
  void settle() override;
  Fill fill() override;
  Incoming next() override;
  bool stable() const override { return held_ != nullptr; }

  bool send_key_worn() const override { return false; }
  bool send_key_exhausted() const override { return false; }
  Renewal renew_send_key(bool) override { return Renewal::impossible; }
  bool renew_receive_key() override { return false; }

 private:
  const int fd_;
  BufferPool &pool_;
  Outbox outbox_;
  BufferHandle held_{nullptr, {}};
  std::span<std::uint8_t> input_;  // not given out yet; in held_, or in a slot while that is null
};

void PlainRecords::settle() {
  if (held_ != nullptr) {
    if (input_.empty()) held_.reset();
    return;
  }
  if (input_.empty()) return;
  held_ = pool_.take();
  std::ranges::copy(input_, held_->bytes);
  input_ = {held_->bytes, input_.size()};
}

Records::Fill PlainRecords::fill() {
  ENSURE(input_.empty());  // everything was given out before more is read
  if (held_ == nullptr) held_ = pool_.take();
  const ssize_t n = ::recv(fd_, held_->bytes, Buffer::size, MSG_DONTWAIT);
  if (n > 0) {
    input_ = {held_->bytes, static_cast<std::size_t>(n)};
    return input_.size() == Buffer::size ? Fill::full : Fill::some;
  }
  if (n == 0) return Fill::end_of_stream;
  if (errno == EAGAIN || errno == EINTR) return Fill::blocked;
  error_ = errno;
  return Fill::failed;
}

Incoming PlainRecords::next() {
  if (input_.empty()) return {.kind = Incoming::Kind::nothing};
  const std::span<iovec> runs = run_storage().first(1);
  const std::span<std::uint8_t> given = std::exchange(input_, {});
  runs[0] = {.iov_base = given.data(), .iov_len = given.size()};
  return {.kind = Incoming::Kind::data,
          .type = ContentType::application_data,
          .runs = runs,
          .size_bytes = given.size()};
}

}  // namespace

std::unique_ptr<Records> Records::plaintext(const UniqueFd &socket, BufferPool &pool) {
  return std::make_unique<PlainRecords>(socket.get(), pool);
}

}  // namespace culvert
