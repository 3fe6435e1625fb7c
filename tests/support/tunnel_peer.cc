// SPDX-License-Identifier: Apache-2.0
// tunnel_peer: a client of culvert/1 (docs/wire.md) that says what it is told, for end-to-end
// tests.
//
//   tunnel_peer AUTHORITY ID SERVER_ID ADDRESS PORT WORD...
//
// AUTHORITY holds ca.crt and ca.key, which sign a certificate for ID; the server must be SERVER_ID.
// The words, in order, behind the handshake:
//
//   TYPE:HEX   one record of this content type, as 204:010050 for OPEN with port 80; all that stand
//              next to one another leave in one segment
//   wait       waits for a record that is no ticket and prints it as TYPE:HEX
//   end        waits for the end of the connection, skipping records: prints FIN or an errno's name
#include <poll.h>
#include <sys/socket.h>

#include <charconv>
#include <cstring>
#include <iostream>

#include "culvert/handshake.h"
#include "support/data_path.h"

namespace {

using namespace culvert;
using namespace culvert::test;

[[noreturn]] void die(const std::string &text) {
  std::cerr << "tunnel_peer: " << text << '\n';
  std::exit(2);
}

template <class T>
T good(Result<T, Problem> result) {
  if (!result) die(result.error().text);
  return std::move(*result);
}

template <class T>
T good(Result<T> result) {
  if (!result) die(describe(result.error()));
  return std::move(*result);
}

unsigned number(std::string_view text, int base) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size())
    die("'" + std::string(text) + "' is no number");
  return value;
}

UniqueFd connect_to(const Endpoint &to) {
  const SocketAddress address(to);
  UniqueFd socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(socket.get(), address.get(), address.size()) != 0)
    die("connect: " + std::string(std::strerror(errno)));
  return socket;
}

// Peeks, as the daemon does: what follows the server's Finished is left in the socket.
Authenticated shake_hands(int socket, Handshake &handshake) {
  Bytes input;
  while (true) {
    const auto step = handshake.advance(input);
    (void)read_exactly(socket, step.consumed);
    const auto output = handshake.output();
    write_all(socket, output);
    handshake.output_sent(output.size());
    if (step.progress == Handshake::Progress::done) return handshake.finish();
    if (step.progress == Handshake::Progress::refused) {
      die(std::string(name(handshake.refusal())) + ": " + handshake.detail());
    }
    input.clear();
    if (step.progress == Handshake::Progress::paused) continue;
    input.resize(1 << 16);
    const ssize_t n = ::recv(socket, input.data(), input.size(), MSG_PEEK);
    if (n <= 0) die("the server ended the connection during the handshake");
    input.resize(static_cast<std::size_t>(n));
  }
}

void print(const Peer::Record &record) {
  std::cout << unsigned{record.type} << ':';
  for (const unsigned byte : record.content)
    std::cout << std::hex << byte / 16 << byte % 16 << std::dec;
  std::cout << std::endl;
}

void wait_readable(int fd) {
  pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
  (void)::poll(&readable, 1, -1);
}

void print_next(Peer &peer) {
  constexpr std::uint8_t handshake = 22;
  std::optional<Peer::Record> record;
  do {
    wait_readable(peer.fd());
    record = peer.receive();
    if (!record) die("no record came");
  } while (record->type == handshake);
  print(*record);
}

void print_end(Peer &peer) {
  while (true) {
    wait_readable(peer.fd());
    std::uint8_t byte = 0;
    const ssize_t n = ::recv(peer.fd(), &byte, 1, MSG_PEEK);
    if (n <= 0) {
      std::cout << (n == 0 ? "FIN" : strerrorname_np(errno)) << std::endl;
      return;
    }
    if (!peer.receive()) die("a record that does not open");
  }
}

Bytes sealed(Peer &peer, std::string_view word) {
  const auto colon = word.find(':');
  if (colon == std::string_view::npos || word.size() % 2 == colon % 2)
    die("'" + std::string(word) + "' is none of TYPE:HEX, wait, end");
  Bytes content;
  for (auto at = colon + 1; at < word.size(); at += 2)
    content.push_back(static_cast<std::uint8_t>(number(word.substr(at, 2), 16)));
  return peer.sealed(static_cast<std::uint8_t>(number(word.substr(0, colon), 10)), content);
}

}  // namespace

int main(int argc, char **argv) {
  if (argc < 6) die("usage: AUTHORITY ID SERVER_ID ADDRESS PORT WORD...");
  const auto id = SpiffeId::parse(argv[2]), server_id = SpiffeId::parse(argv[3]);
  const auto ip = Ip::parse(argv[4]);
  if (!id || !server_id || !ip) die("ID, SERVER_ID or ADDRESS is none");
  const auto authority =
      good(create_authority(argv[1], std::chrono::hours(1), std::string(id->trust_domain())));
  const auto identity = good(TlsIdentity::create(
      good(authority->fetch(*id)), authority->bundle(),
      {.cipher_suites = {CipherSuite::aes_128_gcm_sha256}, .resumption = false}));
  const Endpoint address{*ip, static_cast<std::uint16_t>(number(argv[5], 10))};
  HandshakeMemory memory;
  const auto handshake = good(Handshake::connect(
      identity, {.id = *server_id, .workload = "server", .address = address}, memory));
  UniqueFd socket = connect_to(address);
  const Authenticated keys = shake_hands(socket.get(), *handshake);
  Peer peer(std::move(socket), keys.send, keys.receive);

  Bytes held;
  for (int i = 6; i < argc; ++i) {
    const std::string_view word = argv[i];
    const bool says = word != "wait" && word != "end";
    if (says) {
      const Bytes record = sealed(peer, word);
      held.insert(held.end(), record.begin(), record.end());
    }
    if (says && i + 1 < argc) continue;
    write_all(peer.fd(), held);
    held.clear();
    if (word == "end") print_end(peer);
    if (word == "wait") print_next(peer);
  }
}
