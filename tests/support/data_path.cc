// SPDX-License-Identifier: Apache-2.0
#include "support/data_path.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "culvert/address.h"

namespace culvert::test {

namespace {

// What takes longer does not happen; a slow machine under a sanitizer needs some of it.
constexpr std::chrono::milliseconds patience{20'000};

bool wait_readable(int fd) {
  pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&wait, 1, static_cast<int>(patience.count())) > 0;
}

RecordCipher cipher_of(const TrafficKeys &keys) {
  auto cipher = RecordCipher::create(keys);
  ENSURE(cipher.has_value());
  return std::move(*cipher);
}

}  // namespace

SocketPair tcp_pair(bool small) {
  UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  UniqueFd left(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (small) {  // the receiver's before listen and connect: the window follows from it
    const int size = 4096;
    for (const int fd : {listener.get(), left.get()}) {
      ENSURE(::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
      ENSURE(::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0);
    }
  }
  SocketAddress address({Ip::loopback_v4(), 0});
  ENSURE(::bind(listener.get(), address.get(), address.size()) == 0);
  ENSURE(::listen(listener.get(), 1) == 0);
  ENSURE(::getsockname(listener.get(), address.get(), address.size_pointer()) == 0);
  ENSURE(::connect(left.get(), address.get(), address.size()) == 0);
  UniqueFd right(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  return {std::move(left), std::move(right)};
}

TrafficKeys fixed_keys(CipherSuite suite, std::uint8_t seed) {
  TrafficKeys keys;
  keys.suite = suite;
  keys.secret_size = suite == CipherSuite::aes_256_gcm_sha384 ? 48 : 32;
  keys.secret.fill(seed);
  keys.sequence = seed;  // a handshake's ticket is a record too: numbers need not begin with 0
  return keys;
}

Bytes pattern(std::size_t size, std::uint32_t seed) {
  Bytes bytes(size);
  for (auto &byte : bytes) {
    seed = seed * 1664525 + 1013904223;
    byte = static_cast<std::uint8_t>(seed >> 24);
  }
  return bytes;
}

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

void write_all(int fd, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ENSURE(n > 0);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

Bytes read_some(int fd, std::size_t max) {
  Bytes into(max);
  const ssize_t n = ::recv(fd, into.data(), into.size(), MSG_DONTWAIT);
  into.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return into;
}

Bytes read_exactly(int fd, std::size_t size) {
  Bytes all;
  while (all.size() < size && wait_readable(fd)) {
    const Bytes part = read_some(fd, size - all.size());
    if (part.empty()) break;
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

int read_end(int fd) {
  if (!wait_readable(fd)) return -1;
  std::uint8_t byte = 0;
  const ssize_t n = ::recv(fd, &byte, 1, MSG_DONTWAIT);
  if (n > 0) return -1;
  return n == 0 ? 0 : errno;
}

bool at_end(int fd) {
  std::uint8_t byte = 0;
  return ::recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

std::size_t stuff(int fd) {
  const Bytes block(4096);
  std::size_t all = 0;
  while (true) {
    const ssize_t n = ::send(fd, block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n <= 0) return all;
    all += static_cast<std::size_t>(n);
  }
}

Peer::Peer(UniqueFd fd, const TrafficKeys &send, const TrafficKeys &receive)
    : fd_(std::move(fd)),
      send_keys_(send),
      receive_keys_(receive),
      send_(cipher_of(send)),
      receive_(cipher_of(receive)) {}

Bytes Peer::sealed_text(std::span<const std::uint8_t> text) {
  const std::size_t length = text.size() + RecordCipher::tag_size;
  Bytes record(5 + length);
  record[0] = 23;
  record[1] = record[2] = 3;
  record[3] = static_cast<std::uint8_t>(length >> 8);
  record[4] = static_cast<std::uint8_t>(length);
  std::ranges::copy(text, record.begin() + 5);
  send_.seal(std::span(record).subspan(5, text.size()),
             std::span<const std::uint8_t, 5>(record.data(), 5), send_keys_.sequence++);
  return record;
}

Bytes Peer::sealed(std::uint8_t type, std::span<const std::uint8_t> content, std::size_t padding) {
  Bytes text(content.begin(), content.end());
  text.push_back(type);
  text.resize(text.size() + padding);
  return sealed_text(text);
}

void Peer::send(std::uint8_t type, std::span<const std::uint8_t> content) {
  write_all(fd(), sealed(type, content));
}

std::optional<Peer::Record> Peer::receive() {
  const Bytes header = read_exactly(fd(), 5);
  if (header.size() != 5) return std::nullopt;
  const std::size_t length = static_cast<std::size_t>(header[3]) << 8 | header[4];
  Bytes text = read_exactly(fd(), length);
  if (text.size() != length) return std::nullopt;
  if (!receive_.open(text, std::span<const std::uint8_t, 5>(header.data(), 5),
                     receive_keys_.sequence++)) {
    return std::nullopt;
  }
  text.resize(length - RecordCipher::tag_size);
  while (!text.empty() && text.back() == 0)
    text.pop_back();
  ENSURE(!text.empty());
  const std::uint8_t type = text.back();
  text.pop_back();
  return Record{type, std::move(text)};
}

void Peer::renew_send_key() {
  send_keys_ = next_generation(send_keys_);
  send_ = cipher_of(send_keys_);
}

void Peer::renew_receive_key() {
  receive_keys_ = next_generation(receive_keys_);
  receive_ = cipher_of(receive_keys_);
}

void Peer::reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ENSURE(::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
  fd_.reset();
}

std::unique_ptr<Ring> Place::make_ring(unsigned buffers) {
  auto ring = Ring::create({.entries = 64, .buffers = buffers});
  ENSURE(ring.has_value());
  return std::move(*ring);
}

void Place::turn() {
  ring->run_once(Clock::now() + std::chrono::milliseconds(2));
  silence_timers.run(ring->now());
}

bool Place::turn_until(const std::function<bool()> &done) {
  const auto end = Clock::now() + patience;
  while (!done()) {
    if (Clock::now() > end) return false;
    turn();
  }
  return true;
}

// Also a machine that is slow gets to do something in that time.
void Place::turn_for(std::chrono::milliseconds duration) {
  const auto end = Clock::now() + duration;
  for (int turns = 0; turns < 5 || Clock::now() < end; ++turns)
    turn();
}

Place::~Place() { turn_for(std::chrono::milliseconds(20)); }

std::shared_ptr<const TunnelFacts> facts(bool bare) {
  auto facts = std::make_shared<TunnelFacts>();
  facts->local = *SpiffeId::workload("cluster.local", "shop", "web");
  facts->peer = *SpiffeId::workload("cluster.local", "shop", "database");
  facts->suite = CipherSuite::aes_128_gcm_sha256;
  facts->bare = bare;
  facts->engine = RecordEngine::userspace;
  return facts;
}

std::unique_ptr<Tunnel> make_tunnel(Place &place, UniqueFd socket, int side,
                                    const TunnelOptions &options) {
  const TrafficKeys keys[2] = {fixed_keys(options.suite, 1), fixed_keys(options.suite, 2)};
  auto records = Records::create(
      socket, keys[side], keys[1 - side],
      {.engine = RecordEngine::userspace, .key_update_records = options.key_update_records},
      place.buffers);
  ENSURE(records.has_value());
  return std::make_unique<Tunnel>(*place.ring, place.silence_timers, place.counters,
                                  Tunnel::Parts{.socket = std::move(socket),
                                                .records = std::move(*records),
                                                .facts = facts(options.bare),
                                                .tickets = nullptr});
}

Peer make_peer(UniqueFd socket, CipherSuite suite) {
  return {std::move(socket), fixed_keys(suite, 2), fixed_keys(suite, 1)};
}

bool Listener::on_tunnel_data(std::span<iovec> runs, std::size_t size_bytes, bool) {
  ++calls;
  std::size_t sum = 0;
  for (const iovec &run : runs) {
    const auto *first = static_cast<const std::uint8_t *>(run.iov_base);
    data.insert(data.end(), first, first + run.iov_len);
    sum += run.iov_len;
  }
  ENSURE(sum == size_bytes);
  return !pausing;
}

}  // namespace culvert::test
