// SPDX-License-Identifier: Apache-2.0
// What the tests of the data rooms stand on: TCP over loopback, fixed keys, a peer made by hand
// that can say anything, and a user of a tunnel that remembers everything.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "culvert/tunnel.h"

namespace culvert::test {

struct SocketPair {
  UniqueFd left, right;
};
// TCP over 127.0.0.1. `small`: buffers of a few kilobytes, so that a slow reader is felt at once.
SocketPair tcp_pair(bool small = false);

TrafficKeys fixed_keys(CipherSuite suite, std::uint8_t seed);
Bytes pattern(std::size_t size, std::uint32_t seed = 1);
Bytes bytes_of(std::string_view text);

void write_all(int fd, std::span<const std::uint8_t> bytes);
// Whatever is there now, at most `max` bytes; nothing: empty.
Bytes read_some(int fd, std::size_t max = 1 << 16);
// Waits for `size` bytes.
Bytes read_exactly(int fd, std::size_t size);
// Waits: 0 for FIN, an errno for a reset, -1 if bytes came or nothing happened.
int read_end(int fd);
// Is FIN there already? Does not wait.
bool at_end(int fd);
// Sends until the socket takes no more; returns how much went.
std::size_t stuff(int fd);

// Peer is the other end of a tunnel, record by record.
class Peer {
 public:
  Peer(UniqueFd fd, const TrafficKeys &send, const TrafficKeys &receive);

  struct Record {
    std::uint8_t type;
    Bytes content;
  };
  Bytes sealed(std::uint8_t type, std::span<const std::uint8_t> content, std::size_t padding = 0);
  Bytes sealed_text(std::span<const std::uint8_t> text);  // the inner plaintext as it is
  void send(std::uint8_t type, std::span<const std::uint8_t> content);
  void send_data(std::string_view text) { send(23, bytes_of(text)); }
  void send_message(std::vector<std::uint8_t> bytes) { send(0xCC, bytes); }
  std::optional<Record> receive();  // waits 2 s; nullopt: nothing, cut, or the tag is wrong
  void renew_send_key();
  void renew_receive_key();
  int fd() const { return fd_.get(); }
  void hang_up() { fd_.reset(); }
  void reset();  // RST

 private:
  UniqueFd fd_;
  TrafficKeys send_keys_, receive_keys_;
  RecordCipher send_, receive_;
};

// A ring with what stands around it, as a data thread has it.
struct Place {
  BufferPool buffers;
  Counters counters;
  TimerList silence_timers{std::chrono::milliseconds(50)};
  std::unique_ptr<Ring> ring = make_ring();

  static std::unique_ptr<Ring> make_ring(unsigned buffers = 16);
  // Turns the ring until `done`, 5 s at most; false: it did not happen.
  bool turn_until(const std::function<bool()> &done);
  void turn_for(std::chrono::milliseconds duration);
  void turn();
  ~Place();  // lets the buried go
};

std::shared_ptr<const TunnelFacts> facts(bool bare = false);

struct TunnelOptions {
  CipherSuite suite = CipherSuite::aes_128_gcm_sha256;
  bool bare = false;
  std::uint64_t key_update_records = 1ULL << 23;
};
// Side 0 sends with key 1 and receives with key 2, side 1 the other way round.
std::unique_ptr<Tunnel> make_tunnel(Place &place, UniqueFd socket, int side,
                                    const TunnelOptions &options = {});
Peer make_peer(UniqueFd socket, CipherSuite suite = CipherSuite::aes_128_gcm_sha256);  // side 1

// Remembers what a tunnel says.
struct Listener final : Tunnel::User {
  bool on_tunnel_data(std::span<iovec> runs, std::size_t size_bytes, bool stable) override;
  void on_tunnel_message(const ControlMessage &message) override { messages.push_back(message); }
  void on_tunnel_writable() override { ++writable; }
  void on_tunnel_closed(Refusal refusal) override { closed.push_back(refusal); }

  Bytes data;
  std::vector<ControlMessage> messages;
  std::vector<Refusal> closed;
  int writable = 0;
  int calls = 0;
  bool pausing = false;  // takes the bytes and pauses
};

}  // namespace culvert::test
