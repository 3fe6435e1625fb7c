// SPDX-License-Identifier: Apache-2.0
// A stranger's bytes before it is known who it is. The first byte says who reads them: a server, a
// client, the judge of a chain (three-byte lengths), or a client that has just finished and takes
// them for tickets. Nothing of it may crash us or authenticate anybody, and how the bytes were cut
// on their way may not matter.
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "culvert/handshake.h"
#include "handshake/judge.h"

namespace {

using namespace culvert;
using Input = std::span<const std::uint8_t>;

const char *const self_id = "spiffe://cluster.local/ns/a/sa/self";

struct World {
  std::shared_ptr<const TlsIdentity> identity;
  HandshakeMemory client_memory, server_memory;
};

World &world() {
  static World made;
  if (made.identity) return made;
  const Time now = std::chrono::system_clock::now();
  const Time end = now + std::chrono::hours(24);
  const auto key = PrivateKey::generate_p256();
  const auto root = self_signed_root(
      *key, {.uri_name = "spiffe://cluster.local", .not_before = now, .not_after = end}, "fuzz");
  const auto leaf_key = PrivateKey::generate_p256();
  const auto leaf =
      issue(*root, *key, *leaf_key, {.uri_name = self_id, .not_before = now, .not_after = end});
  auto bundle = TrustBundle::create("cluster.local", {*root});
  made.identity = *TlsIdentity::create(
      std::make_shared<Svid>(Svid{*SpiffeId::parse(self_id), {*leaf}, *leaf_key}),
      std::make_shared<TrustBundle>(std::move(*bundle)), {{CipherSuite::aes_128_gcm_sha256}, true});
  return made;
}

std::unique_ptr<Handshake> connect() {
  return std::move(*Handshake::connect(
      world().identity, {*SpiffeId::parse(self_id), "a/self", {Ip::loopback_v4(), 80}},
      world().client_memory));
}

std::unique_ptr<Handshake> accept() {
  return std::move(*Handshake::accept(world().identity, world().server_memory));
}

using enum Handshake::Progress;

// Feeds `input` in pieces; what became of it.
Refusal feed(Handshake &handshake, Input input, std::size_t piece) {
  auto progress = needs_input;
  while (progress == paused || (progress == needs_input && !input.empty())) {
    const Input next = input.first(std::min(piece, input.size()));
    const auto step = handshake.advance(next);
    ENSURE(step.consumed <= next.size());
    progress = step.progress;
    if (progress == needs_input) ENSURE(step.consumed == next.size());
    input = input.subspan(step.consumed);
    handshake.output_sent(handshake.output().size());
  }
  ENSURE(progress != done);
  return progress == refused ? handshake.refusal() : Refusal::none;
}

void judge_chain(Input input) {
  std::vector<Input> chain;
  while (input.size() >= 3) {
    const std::size_t size =
        (std::size_t{input[0]} << 16) + (std::size_t{input[1]} << 8) + input[2];
    chain.push_back(input.subspan(3).first(std::min(size, input.size() - 3)));
    input = input.subspan(3 + chain.back().size());
  }
  const Verdict verdict =
      judge(chain, world().identity->bundle(), std::chrono::system_clock::now());
  ENSURE(verdict.refusal != Refusal::none && verdict.alert != 0 && !verdict.detail.empty());
  for (const char c : verdict.detail)
    ENSURE(c >= 0x20 && c < 0x7f);
}

std::unique_ptr<Tickets> finished_client() {
  const auto client = connect(), server = accept();
  auto to_server = needs_input, to_client = needs_input;
  while (to_server != done || to_client != done) {
    const auto read = client->advance(server->output());
    server->output_sent(read.consumed);
    to_client = read.progress;
    const auto answered = server->advance(client->output());
    client->output_sent(answered.consumed);
    to_server = answered.progress;
    ENSURE(to_client != refused && to_server != refused);
  }
  return client->finish().tickets;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  if (size == 0) return 0;
  const Input input(data + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      ENSURE(feed(*accept(), input, 1) == feed(*accept(), input, SIZE_MAX));
      break;
    case 1:
      feed(*connect(), input, SIZE_MAX);
      break;
    case 2:
      judge_chain(input);
      break;
    case 3: {
      static const std::unique_ptr<Tickets> tickets = finished_client();
      (void)tickets->accept(input);
      break;
    }
  }
  return 0;
}
