// SPDX-License-Identifier: Apache-2.0
// The kTLS socket options and record calls. Source: linux Documentation/networking/tls.rst,
// include/uapi/linux/tls.h, net/tls/tls_main.c.
#include <linux/tls.h>
#include <netinet/tcp.h>

#include <array>

#include "outbox.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

namespace culvert {

namespace {

// rec_seq is the next record's number, big-endian.
void store_sequence(unsigned char *to, std::uint64_t sequence) {
  for (int i = 7; i >= 0; --i, sequence >>= 8)
    to[i] = static_cast<unsigned char>(sequence);
}

int option(Side side) { return side == Side::send ? TLS_TX : TLS_RX; }

template <class Info>
Result<> set_gcm(int fd, Side side, std::uint16_t cipher, const TrafficKeys &keys) {
  const RecordKey key = record_key(keys);
  Info info{};
  info.info.version = TLS_1_3_VERSION;
  info.info.cipher_type = cipher;
  ENSURE(key.key_size == sizeof info.key);
  std::memcpy(info.key, key.key.data(), sizeof info.key);
  // The 12-byte IV of TLS 1.3, cut as TLS 1.2 had it: 4 bytes of salt, 8 of IV.
  std::memcpy(info.salt, key.iv.data(), sizeof info.salt);
  std::memcpy(info.iv, key.iv.data() + sizeof info.salt, sizeof info.iv);
  store_sequence(info.rec_seq, keys.sequence);
  const int result = setsockopt(fd, SOL_TLS, option(side), &info, sizeof info);
  const int error = errno;
  explicit_bzero(&info, sizeof info);
  if (result != 0) return fail_os("setsockopt TLS keys", error);
  return {};
}

Result<> set_chacha(int fd, Side side, const TrafficKeys &keys) {
  const RecordKey key = record_key(keys);
  tls12_crypto_info_chacha20_poly1305 info{};
  info.info.version = TLS_1_3_VERSION;
  info.info.cipher_type = TLS_CIPHER_CHACHA20_POLY1305;
  std::memcpy(info.key, key.key.data(), sizeof info.key);
  std::memcpy(info.iv, key.iv.data(), sizeof info.iv);
  store_sequence(info.rec_seq, keys.sequence);
  const int result = setsockopt(fd, SOL_TLS, option(side), &info, sizeof info);
  const int error = errno;
  explicit_bzero(&info, sizeof info);
  if (result != 0) return fail_os("setsockopt TLS keys", error);
  return {};
}

}  // namespace

Result<> install_key(int fd, Side side, const TrafficKeys &keys) {
  switch (keys.suite) {
    case CipherSuite::aes_128_gcm_sha256:
      return set_gcm<tls12_crypto_info_aes_gcm_128>(fd, side, TLS_CIPHER_AES_GCM_128, keys);
    case CipherSuite::aes_256_gcm_sha384:
      return set_gcm<tls12_crypto_info_aes_gcm_256>(fd, side, TLS_CIPHER_AES_GCM_256, keys);
    case CipherSuite::chacha20_poly1305_sha256:
      return set_chacha(fd, side, keys);
  }
  return fail_os("cipher suite", EINVAL);
}

namespace {

template <class Info>
std::uint64_t read_sequence(int fd) {
  Info info{};
  socklen_t size = sizeof info;
  std::uint64_t sequence = UINT64_MAX;
  if (getsockopt(fd, SOL_TLS, TLS_TX, &info, &size) == 0) {
    sequence = 0;
    for (const unsigned char byte : info.rec_seq)
      sequence = sequence << 8 | byte;
  }
  explicit_bzero(&info, sizeof info);  // the kernel hands out the key as well
  return sequence;
}

}  // namespace

std::uint64_t sequence_of(int fd, CipherSuite suite) {
  switch (suite) {
    case CipherSuite::aes_128_gcm_sha256:
      return read_sequence<tls12_crypto_info_aes_gcm_128>(fd);
    case CipherSuite::aes_256_gcm_sha384:
      return read_sequence<tls12_crypto_info_aes_gcm_256>(fd);
    case CipherSuite::chacha20_poly1305_sha256:
      return read_sequence<tls12_crypto_info_chacha20_poly1305>(fd);
  }
  return UINT64_MAX;
}

Result<> expect_no_padding(int fd) {
#ifndef TLS_RX_EXPECT_NO_PAD
#define TLS_RX_EXPECT_NO_PAD 4  // uapi/linux/tls.h, 6.0
#endif
  const unsigned one = 1;
  if (setsockopt(fd, SOL_TLS, TLS_RX_EXPECT_NO_PAD, &one, sizeof one) != 0) {
    return fail_os("setsockopt TLS_RX_EXPECT_NO_PAD", errno);
  }
  return {};
}

Result<> prepare_socket(const UniqueFd &socket, RecordEngine engine) {
  if (engine == RecordEngine::userspace) return {};
  if (setsockopt(socket.get(), SOL_TCP, TCP_ULP, "tls", sizeof "tls") != 0) {
    return fail_os("setsockopt TCP_ULP tls", errno);
  }
  return {};
}

ssize_t send_record(int fd, ContentType type, std::span<const std::uint8_t> content) {
  iovec part{.iov_base = const_cast<std::uint8_t *>(content.data()), .iov_len = content.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(1)> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_TLS;
  header->cmsg_type = TLS_SET_RECORD_TYPE;
  header->cmsg_len = CMSG_LEN(1);
  *CMSG_DATA(header) = static_cast<unsigned char>(type);
  message.msg_controllen = header->cmsg_len;
  return ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

ssize_t receive_record(int fd, std::span<std::uint8_t> into, std::uint8_t &type, bool &whole) {
  iovec part{.iov_base = into.data(), .iov_len = into.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(1)> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t n = ::recvmsg(fd, &message, MSG_DONTWAIT);
  type = 0;
  whole = false;
  if (n < 0) return n;
  whole = (message.msg_flags & MSG_EOR) != 0;
  const cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_level == SOL_TLS &&
      header->cmsg_type == TLS_GET_RECORD_TYPE) {
    type = *CMSG_DATA(header);
  }
  return n;
}

}  // namespace culvert
