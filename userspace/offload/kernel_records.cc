// SPDX-License-Identifier: Apache-2.0
// The kernel engine: the socket makes and opens records (kTLS); we pass plaintext and record types.
// Every receive asks for the type: alert, handshake, control and data are told apart in one place.
#include <algorithm>

#include "outbox.h"

namespace culvert {
namespace {

class KernelRecords final : public Records {
 public:
  KernelRecords(int fd, const TrafficKeys &send, const TrafficKeys &receive, const Options &options,
                BufferPool &pool)
      : fd_(fd),
        pool_(pool),
        send_keys_(send),
        receive_keys_(receive),
        rekey_(options.kernel_rekey),
        key_update_records_(options.key_update_records),
        outbox_(fd, pool, error_) {}

  RecordEngine engine() const override { return RecordEngine::kernel; }
  Layout layout() const override {
    return {.offset = 0, .piece = Buffer::size, .stride = Buffer::size, .count = 1};
  }

  Flow send_buffer(BufferHandle &buffer, std::size_t size_bytes) override {
    ENSURE(outbox_.empty() && size_bytes > 0);
    count_records(size_bytes);
    if (unsent()) return queue(ContentType::application_data, {buffer->bytes, size_bytes});
    return outbox_.send(buffer, size_bytes);
  }

  Flow send_slot(std::span<std::uint8_t> content) override {
    ENSURE(outbox_.empty() && !content.empty());
    count_records(content.size());
    return unsent() ? queue(ContentType::application_data, content) : outbox_.send(content);
  }

  Flow send_control(ContentType type, std::span<const std::uint8_t> content) override {
    count_records(1);
    if (!unsent()) {
      const ssize_t n = send_record(fd_, type, content);  // whole or not at all
      if (n >= 0) return Flow::done;
      if (errno != EAGAIN && errno != EINTR) return failed_send();
    }
    return queue(type, content);
  }

  Flow flush() override {
    if (const Flow flow = outbox_.flush(); flow != Flow::done) return flow;
    while (!control_.empty()) {
      Control &first = control_.front();
      const ssize_t n = send_record(fd_, first.type, first.content);
      if (n < 0) return errno == EAGAIN || errno == EINTR ? Flow::blocked : failed_send();
      first.content.erase(first.content.begin(), first.content.begin() + n);
      if (first.content.empty()) control_.erase(control_.begin());
    }
    return Flow::done;
  }

  // An upper bound: a filling of the pipe, 16 KiB or more in bulk, ends with its own record, and 17
  // fragments do.
  void sent_outside(std::size_t size_bytes) override { records_sent_ += 2 + size_bytes / 4096; }

  bool unsent() const override { return !outbox_.empty() || !control_.empty(); }

  bool takes_slots() const override { return false; }
  void feed(std::span<std::uint8_t>) override { ENSURE(false); }
  void settle() override { held_.reset(); }
  Fill fill() override { return Fill::some; }  // next() reads: the kernel holds the records
  Incoming next() override;
  bool stable() const override { return true; }

  bool send_key_worn() const override { return records_sent_ >= key_update_records_; }
  bool send_key_exhausted() const override {
    // AES-GCM: 2^24.5 full records (RFC 8446 section 5.5); ChaCha20-Poly1305 has no such bound.
    constexpr std::uint64_t gcm_records_max = 23'726'566;
    if (send_keys_.suite == CipherSuite::chacha20_poly1305_sha256) return false;
    if (records_sent_ < gcm_records_max) return false;
    records_sent_ = std::min(records_sent_, sequence_of(fd_, send_keys_.suite));  // the true number
    return records_sent_ >= gcm_records_max;
  }
  Renewal renew_send_key(bool request_peers) override;
  bool renew_receive_key() override { return renew(receive_keys_, Side::receive); }

 private:
  struct Control {
    ContentType type;
    std::vector<std::uint8_t> content;
  };
  // Control records, and behind them what the user sent before it heard of those.
  Flow queue(ContentType type, std::span<const std::uint8_t> content) {
    control_.push_back({type, {content.begin(), content.end()}});
    return Flow::blocked;
  }
  // An upper bound: the kernel cuts at 16384 bytes, a short send begins a new record.
  void count_records(std::size_t size_bytes) { records_sent_ += 2 + size_bytes / record_max; }
  Flow failed_send() {
    error_ = errno;
    return Flow::failed;
  }
  // A second key is refused before 6.14 (EBUSY).
  bool renew(TrafficKeys &keys, Side side) {
    keys = next_generation(keys);
    return install_key(fd_, side, keys).has_value();
  }

  const int fd_;
  BufferPool &pool_;
  TrafficKeys send_keys_, receive_keys_;
  const bool rekey_;
  const std::uint64_t key_update_records_;
  mutable std::uint64_t records_sent_ = 0;  // an upper bound
  Outbox outbox_;
  std::vector<Control> control_;
  BufferHandle held_{nullptr, {}};
};

Records::Renewal KernelRecords::renew_send_key(bool request_peers) {
  if (!rekey_) return Renewal::impossible;
  if (unsent()) return Renewal::later;
  // The key may change only once the message is out under the old one.
  if (send_record(fd_, ContentType::handshake, key_update_message(request_peers)) < 0) {
    return Renewal::later;
  }
  if (!renew(send_keys_, Side::send)) return Renewal::impossible;
  records_sent_ = 0;
  return Renewal::done;
}

Incoming KernelRecords::next() {
  if (held_ == nullptr) held_ = pool_.take();
  std::uint8_t type = 0;
  bool whole = false;
  const ssize_t n = receive_record(fd_, held_->bytes, type, whole);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {.kind = Incoming::Kind::nothing};
  if (n < 0) {
    error_ = errno;
    return {.kind = Incoming::Kind::failed, .refusal = refusal_of_errno(errno)};
  }
  const auto size_bytes = static_cast<std::size_t>(n);
  if (type == 0) {
    if (n == 0) return {.kind = Incoming::Kind::end_of_stream};
    return {.kind = Incoming::Kind::failed, .refusal = Refusal::protocol};  // never taken for data
  }
  if (type == static_cast<std::uint8_t>(ContentType::application_data)) {
    if (n == 0) return next();
    iovec &run = run_storage()[0];
    run = {.iov_base = held_->bytes, .iov_len = size_bytes};
    return {.kind = Incoming::Kind::data,
            .type = ContentType::application_data,
            .runs = run_storage().first(1),
            .size_bytes = size_bytes};
  }
  if (!whole) return {.kind = Incoming::Kind::failed, .refusal = Refusal::protocol};
  return {.kind = Incoming::Kind::control,
          .type = static_cast<ContentType>(type),
          .content = {held_->bytes, size_bytes}};
}

}  // namespace

Result<std::unique_ptr<Records>> create_kernel_records(int fd, const TrafficKeys &send,
                                                       const TrafficKeys &receive,
                                                       const Records::Options &options,
                                                       BufferPool &pool) {
  TRY(install_key(fd, Side::send, send));
  TRY(install_key(fd, Side::receive, receive));
  if (options.no_pad) TRY(expect_no_padding(fd));
  return std::unique_ptr<Records>(
      std::make_unique<KernelRecords>(fd, send, receive, options, pool));
}

}  // namespace culvert
