// SPDX-License-Identifier: Apache-2.0
// Private to offload: sending without waiting, and what the engines share.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "culvert/offload.h"

namespace culvert {

inline constexpr std::size_t header_size = 5;   // RFC 8446 section 5.1
inline constexpr std::size_t trailer_size = 17;  // inner type, tag
inline constexpr std::size_t record_max = Buffer::record;

// send(2) until everything is out or the socket is full. `sent` counts what went.
inline Flow send_now(int fd, std::span<const std::uint8_t> bytes, std::size_t &sent, int &error) {
  while (sent < bytes.size()) {
    const ssize_t n =
        ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) {
      sent += static_cast<std::size_t>(n);
    } else if (errno == EAGAIN) {
      return Flow::blocked;
    } else if (errno != EINTR) {
      error = errno;
      return Flow::failed;
    }
  }
  return Flow::done;
}

// Outbox: what the socket had no room for: the bytes [first, last) of one Buffer.
class Outbox {
 public:
  // `error`: where the errno of Flow::failed goes.
  Outbox(int fd, BufferPool &pool, int &error) : fd_(fd), pool_(pool), error_(error) {}
  bool empty() const { return buffer_ == nullptr; }

  // blocked: `buffer` is kept.
  Flow send(BufferHandle &buffer, std::size_t size_bytes) {
    std::size_t sent = 0;
    const Flow flow = send_now(fd_, {buffer->bytes, size_bytes}, sent, error_);
    if (flow == Flow::blocked) {
      buffer->first = sent;
      buffer->last = size_bytes;
      buffer_ = std::move(buffer);
    }
    return flow;
  }
  // blocked: what is left is copied.
  Flow send(std::span<const std::uint8_t> bytes) {
    std::size_t sent = 0;
    const Flow flow = send_now(fd_, bytes, sent, error_);
    if (flow == Flow::blocked) {
      buffer_ = pool_.take();
      buffer_->last = bytes.size() - sent;
      std::memcpy(buffer_->bytes, bytes.data() + sent, buffer_->last);
    }
    return flow;
  }
  Flow flush() {
    if (empty()) return Flow::done;
    const Flow flow = send_now(fd_, {buffer_->bytes, buffer_->last}, buffer_->first, error_);
    if (flow == Flow::done) buffer_.reset();
    return flow;
  }

 private:
  const int fd_;
  BufferPool &pool_;
  int &error_;
  BufferHandle buffer_{nullptr, {}};
};

inline Refusal refusal_of_errno(int error) {
  switch (error) {
    case EBADMSG:
    case EMSGSIZE:
    case EINVAL:
    case EIO:
      return Refusal::record_invalid;
    case EKEYEXPIRED:
      return Refusal::key_limit;
    default:
      return Refusal::peer_reset;
  }
}

// KeyUpdate (RFC 8446 section 4.6.3): type 24, length 1, update_requested or not.
inline std::array<std::uint8_t, 5> key_update_message(bool request) {
  return {24, 0, 0, 1, static_cast<std::uint8_t>(request ? 1 : 0)};
}

Result<std::unique_ptr<Records>> create_user_records(int fd, const TrafficKeys &send,
                                                     const TrafficKeys &receive,
                                                     const Records::Options &options,
                                                     BufferPool &pool);
Result<std::unique_ptr<Records>> create_kernel_records(int fd, const TrafficKeys &send,
                                                       const TrafficKeys &receive,
                                                       const Records::Options &options,
                                                       BufferPool &pool);

// kTLS socket options (kernel_socket.cc).
enum class Side : std::uint8_t { send, receive };
Result<> install_key(int fd, Side side, const TrafficKeys &keys);
// The number of the next record the kernel will send; the largest number if it does not say.
std::uint64_t sequence_of(int fd, CipherSuite suite);
Result<> expect_no_padding(int fd);
// One control record; -1 with errno as sendmsg.
ssize_t send_record(int fd, ContentType type, std::span<const std::uint8_t> content);
// recvmsg with room for the record's type. `type` 0: end of stream (result 0) or error (-1, errno).
ssize_t receive_record(int fd, std::span<std::uint8_t> into, std::uint8_t &type, bool &whole);

// Where the runs of the last Records::next() of this thread lie: an idle tunnel holds none.
std::span<iovec> run_storage();

}  // namespace culvert
