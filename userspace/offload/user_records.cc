// SPDX-License-Identifier: Apache-2.0
// The userspace engine: TLS 1.3 records (RFC 8446 section 5.2) made and opened in place.
//
// Sending: the plaintext already lies between gaps for header and tag, so a burst of 16 records is
// sealed piece by piece and leaves in one send(2).
// Receiving: bytes come as a ring's slot (small messages: whole records, nothing is kept) or are
// read into a held Buffer (bulk, or the rest of a cut record). Small records are moved together, so
// that an application sees one write for many; large ones stay where they were opened.
#include <algorithm>

#include "outbox.h"

namespace culvert {
namespace {

constexpr std::size_t small_record = 2048;  // below: moving is cheaper than one more iovec
constexpr unsigned empty_records_max = 32;  // in a row; more is an attack

class UserRecords final : public Records {
 public:
  UserRecords(int fd, RecordCipher seal, RecordCipher open, const TrafficKeys &send,
              const TrafficKeys &receive, const Options &options, BufferPool &pool)
      : fd_(fd),
        pool_(pool),
        seal_(std::move(seal)),
        open_(std::move(open)),
        send_keys_(send),
        receive_keys_(receive),
        key_update_records_(options.key_update_records),
        outbox_(fd, pool, error_) {}

  RecordEngine engine() const override { return RecordEngine::userspace; }
  Layout layout() const override {
    return {.offset = header_size,
            .piece = record_max,
            .stride = record_max + Buffer::gap,
            .count = Buffer::size / (record_max + Buffer::gap)};
  }

  Flow send_buffer(BufferHandle &buffer, std::size_t size_bytes) override;
  Flow send_slot(std::span<std::uint8_t> content) override;
  Flow send_control(ContentType type, std::span<const std::uint8_t> content) override;
  Flow flush() override;
  void sent_outside(std::size_t) override { ENSURE(false); }  // nobody else can make records
  bool unsent() const override { return !outbox_.empty() || !control_.empty(); }

  bool takes_slots() const override { return held_ == nullptr; }
  void feed(std::span<std::uint8_t> slot) override {
    ENSURE(held_ == nullptr && input_.empty());
    input_ = slot;
  }
  void settle() override;
  Fill fill() override;
  Incoming next() override;
  bool stable() const override { return held_ != nullptr; }

  bool send_key_worn() const override { return send_keys_.sequence >= key_update_records_; }
  bool send_key_exhausted() const override { return false; }  // it can always be renewed
  Renewal renew_send_key(bool request_peers) override;
  bool renew_receive_key() override { return renew(receive_keys_, open_); }

 private:
  // Seals `length` bytes at `text` as one record; header before, trailer behind it.
  void protect(std::uint8_t *text, std::size_t length, ContentType type);
  static bool renew(TrafficKeys &keys, RecordCipher &cipher);
  enum class Opened : std::uint8_t { content, incomplete, invalid };
  Opened open_record();
  static Incoming failed(Refusal refusal) {
    return {.kind = Incoming::Kind::failed, .refusal = refusal};
  }
  Incoming take_control();

  const int fd_;
  BufferPool &pool_;
  RecordCipher seal_, open_;
  TrafficKeys send_keys_, receive_keys_;
  const std::uint64_t key_update_records_;
  Flow queue(std::span<const std::uint8_t> wire) {
    control_.insert(control_.end(), wire.begin(), wire.end());
    return Flow::blocked;
  }
  // What waits: sealed records, then sealed control records, then a burst that the user sent before
  // it heard that one of those had found no room.
  Outbox outbox_;
  std::vector<std::uint8_t> control_;
  // Input: what is not opened yet; in `held_`, or in a slot while held_ is null.
  BufferHandle held_{nullptr, {}};
  std::span<std::uint8_t> input_;
  // The record opened last, if it has not been given out yet.
  std::span<std::uint8_t> content_;
  ContentType type_{};
  bool opened_ = false;
  std::uint8_t empty_records_ = 0;
};

void UserRecords::protect(std::uint8_t *text, std::size_t length, ContentType type) {
  const std::size_t protected_size = length + trailer_size;
  std::uint8_t *header = text - header_size;
  header[0] = static_cast<std::uint8_t>(ContentType::application_data);
  header[1] = 3;
  header[2] = 3;
  header[3] = static_cast<std::uint8_t>(protected_size >> 8);
  header[4] = static_cast<std::uint8_t>(protected_size);
  text[length] = static_cast<std::uint8_t>(type);
  seal_.seal({text, length + 1}, std::span<const std::uint8_t, header_size>(header, header_size),
             send_keys_.sequence++);
}

Flow UserRecords::send_buffer(BufferHandle &buffer, std::size_t size_bytes) {
  ENSURE(outbox_.empty() && size_bytes > 0);
  const Layout places = layout();
  std::uint8_t *text = buffer->bytes + places.offset;
  std::size_t wire_size = 0;
  for (std::size_t left = size_bytes; left > 0; text += places.stride) {
    const std::size_t length = std::min(left, places.piece);
    protect(text, length, ContentType::application_data);
    wire_size += header_size + length + trailer_size;
    left -= length;
  }
  if (unsent()) return queue({buffer->bytes, wire_size});
  return outbox_.send(buffer, wire_size);
}

Flow UserRecords::send_slot(std::span<std::uint8_t> content) {
  ENSURE(outbox_.empty() && !content.empty() && content.size() <= record_max);
  protect(content.data(), content.size(), ContentType::application_data);
  const std::span<std::uint8_t> wire(content.data() - header_size,
                                     header_size + content.size() + trailer_size);
  return unsent() ? queue(wire) : outbox_.send(wire);
}

Flow UserRecords::send_control(ContentType type, std::span<const std::uint8_t> content) {
  ENSURE(!content.empty() && content.size() <= 32);
  std::array<std::uint8_t, header_size + 32 + trailer_size> record;
  std::memcpy(record.data() + header_size, content.data(), content.size());
  protect(record.data() + header_size, content.size(), type);
  const std::span<const std::uint8_t> wire(record.data(),
                                           header_size + content.size() + trailer_size);
  std::size_t sent = 0;
  if (!unsent()) {
    const Flow flow = send_now(fd_, wire, sent, error_);
    if (flow != Flow::blocked) return flow;
  }
  return queue(wire.subspan(sent));
}

Flow UserRecords::flush() {
  if (const Flow flow = outbox_.flush(); flow != Flow::done) return flow;
  if (!control_.empty()) {
    std::size_t sent = 0;
    const Flow flow = send_now(fd_, control_, sent, error_);
    control_.erase(control_.begin(), control_.begin() + static_cast<std::ptrdiff_t>(sent));
    if (flow != Flow::done) return flow;
    control_.shrink_to_fit();
  }
  return Flow::done;
}

void UserRecords::settle() {
  if (held_ != nullptr) {
    if (input_.empty() && !opened_) held_.reset();
    return;
  }
  ENSURE(!opened_ || content_.data() < input_.data() || input_.empty());
  if (input_.empty() && !opened_) return;
  held_ = pool_.take();
  std::size_t used = 0;
  if (opened_) {  // opened, not given out: keep it in front of the rest
    std::ranges::copy(content_, held_->bytes);
    content_ = {held_->bytes, content_.size()};
    used = content_.size();
  }
  std::ranges::copy(input_, held_->bytes + used);
  input_ = {held_->bytes + used, input_.size()};
}

Records::Fill UserRecords::fill() {
  if (held_ == nullptr) held_ = pool_.take();
  ENSURE(!opened_);  // everything opened was given out before more is read
  std::ranges::copy(input_, held_->bytes);  // to the front; overlapping forwards is fine
  const std::size_t used = input_.size();
  input_ = {held_->bytes, used};
  const ssize_t n = ::recv(fd_, held_->bytes + used, Buffer::size - used, MSG_DONTWAIT);
  if (n > 0) {
    input_ = {held_->bytes, used + static_cast<std::size_t>(n)};
    return input_.size() == Buffer::size ? Fill::full : Fill::some;
  }
  if (n == 0) return Fill::end_of_stream;
  if (errno == EAGAIN || errno == EINTR) return Fill::blocked;
  error_ = errno;
  return Fill::failed;
}

UserRecords::Opened UserRecords::open_record() {
  if (input_.size() < header_size) return Opened::incomplete;
  const auto header = input_.first<header_size>();
  const std::size_t length = static_cast<std::size_t>(header[3]) << 8 | header[4];
  if (header[0] != static_cast<std::uint8_t>(ContentType::application_data) || header[1] != 3 ||
      header[2] != 3 || length < trailer_size || length > record_max + 256) {
    return Opened::invalid;
  }
  if (input_.size() < header_size + length) return Opened::incomplete;
  const auto text = input_.subspan(header_size, length);
  if (!open_.open(text, header, receive_keys_.sequence)) return Opened::invalid;
  std::size_t end = length - RecordCipher::tag_size;  // padding: zeros behind the type
  while (end > 0 && text[end - 1] == 0)
    --end;
  // Not taken: the next call finds it again, and its tag is wrong now that it was opened in place.
  if (end == 0 || end - 1 > record_max) return Opened::invalid;
  ++receive_keys_.sequence;
  input_ = input_.subspan(header_size + length);
  type_ = static_cast<ContentType>(text[end - 1]);
  content_ = text.first(end - 1);
  opened_ = true;
  return Opened::content;
}

Incoming UserRecords::take_control() {
  opened_ = false;
  return {.kind = Incoming::Kind::control, .type = type_, .content = content_};
}

Incoming UserRecords::next() {
  const std::span<iovec> runs = run_storage();
  std::size_t count = 0;
  std::size_t size_bytes = 0;
  while (true) {
    if (!opened_) {
      const Opened opened = open_record();
      if (opened == Opened::invalid && count == 0) return failed(Refusal::record_invalid);
      if (opened != Opened::content)
        break;  // invalid: give out what is good, fail at the next call
    }
    if (type_ != ContentType::application_data) {
      if (count == 0) return take_control();
      break;
    }
    if (content_.empty()) {
      opened_ = false;
      if (++empty_records_ > empty_records_max) return failed(Refusal::protocol);
      continue;
    }
    empty_records_ = 0;
    iovec *last = count > 0 ? &runs[count - 1] : nullptr;
    if (last != nullptr && content_.size() < small_record) {
      auto *end = static_cast<std::uint8_t *>(last->iov_base) + last->iov_len;
      std::memmove(end, content_.data(), content_.size());
      last->iov_len += content_.size();
    } else if (count < runs.size()) {
      runs[count++] = {.iov_base = content_.data(), .iov_len = content_.size()};
    } else {
      break;
    }
    size_bytes += content_.size();
    opened_ = false;
  }
  if (count == 0) return {.kind = Incoming::Kind::nothing};
  return {.kind = Incoming::Kind::data,
          .type = ContentType::application_data,
          .runs = runs.first(count),
          .size_bytes = size_bytes};
}

Records::Renewal UserRecords::renew_send_key(bool request_peers) {
  if (control_.size() > 1024) return Renewal::later;  // asked without reading: one answers them all
  // Sealed under the old key here and now, so what is queued behind it may use the new one.
  if (send_control(ContentType::handshake, key_update_message(request_peers)) == Flow::failed) {
    return Renewal::later;  // the socket is broken: whoever sends next is told
  }
  return renew(send_keys_, seal_) ? Renewal::done : Renewal::impossible;
}

bool UserRecords::renew(TrafficKeys &keys, RecordCipher &cipher) {
  keys = next_generation(keys);
  auto next = RecordCipher::create(keys);
  if (!next) return false;
  cipher = std::move(*next);
  return true;
}

}  // namespace

Result<std::unique_ptr<Records>> create_user_records(int fd, const TrafficKeys &send,
                                                     const TrafficKeys &receive,
                                                     const Records::Options &options,
                                                     BufferPool &pool) {
  auto seal = TRY(RecordCipher::create(send));
  auto open = TRY(RecordCipher::create(receive));
  return std::unique_ptr<Records>(std::make_unique<UserRecords>(
      fd, std::move(seal), std::move(open), send, receive, options, pool));
}

}  // namespace culvert
