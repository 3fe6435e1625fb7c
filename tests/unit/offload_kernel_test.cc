// SPDX-License-Identifier: Apache-2.0
// The kernel engine: where this machine has it, the same exchange as in user space, against a peer
// made by hand; where not, a refusal that says why.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "support/data_path.h"

namespace {

using namespace culvert;
using namespace culvert::test;

constexpr Records::Options kernel_options{.engine = RecordEngine::kernel};

TEST_CASE("offload: the kernel engine on a socket without its ULP, refused") {
  BufferPool pool;
  auto pair = tcp_pair();
  const auto keys = fixed_keys(CipherSuite::aes_128_gcm_sha256, 1);
  const auto records = Records::create(pair.left, keys, keys, kernel_options, pool);
  REQUIRE_FALSE(records.has_value());
  CHECK(records.error().source == ErrorSource::os);
  CHECK(records.error().code != 0);
}

TEST_CASE("offload: no kernel engine here, the probe says why and prepare_socket is refused") {
  const EngineProbe probe = probe_engines();
  INFO(probe.reason);
  CHECK_FALSE(probe.reason.empty());
  if (probe.kernel) SKIP("this kernel has the engine");
  CHECK_FALSE(probe.kernel_rekey);
  CHECK_FALSE(probe.splice);
  auto pair = tcp_pair();
  const auto prepared = prepare_socket(pair.left, RecordEngine::kernel);
  REQUIRE_FALSE(prepared.has_value());
  CHECK(prepared.error().code == ENOENT);
  CHECK(describe(prepared.error()).find("TCP_ULP") != std::string::npos);
}

TEST_CASE("offload: prepare_socket for the userspace engine, nothing to do") {
  auto pair = tcp_pair();
  CHECK(prepare_socket(pair.left, RecordEngine::userspace).has_value());
}

TEST_CASE("offload: the kernel engine against a peer by hand, data and control both ways") {
  if (!probe_engines().kernel) SKIP("this kernel has no working kTLS");
  const auto suite = GENERATE(CipherSuite::aes_128_gcm_sha256, CipherSuite::aes_256_gcm_sha384,
                              CipherSuite::chacha20_poly1305_sha256);
  BufferPool pool;
  auto pair = tcp_pair();
  REQUIRE(prepare_socket(pair.left, RecordEngine::kernel).has_value());
  auto records =
      Records::create(pair.left, fixed_keys(suite, 1), fixed_keys(suite, 2), kernel_options, pool);
  REQUIRE(records.has_value());
  Peer peer = make_peer(std::move(pair.right), suite);

  const Bytes text = pattern(5000);
  BufferHandle buffer = pool.take();
  std::ranges::copy(text, buffer->bytes + (*records)->layout().offset);
  REQUIRE((*records)->send_buffer(buffer, text.size()) == Flow::done);
  const Bytes end = {4};
  REQUIRE((*records)->send_control(ContentType::control, end) == Flow::done);
  const auto data = peer.receive();
  REQUIRE(data.has_value());
  CHECK(data->type == 23);
  CHECK(data->content == text);
  const auto control = peer.receive();
  REQUIRE(control.has_value());
  CHECK(control->type == 0xCC);
  CHECK(control->content == end);

  peer.send_data("hello");
  peer.send_message({2});
  Bytes got;
  std::optional<Bytes> message;
  for (int i = 0; i < 2000 && !message; ++i) {
    const Incoming incoming = (*records)->next();
    REQUIRE(incoming.kind != Incoming::Kind::failed);
    if (incoming.kind == Incoming::Kind::data) {
      const auto *first = static_cast<const std::uint8_t *>(incoming.runs[0].iov_base);
      got.insert(got.end(), first, first + incoming.runs[0].iov_len);
    }
    if (incoming.kind == Incoming::Kind::control) {
      CHECK(incoming.type == ContentType::control);
      message.emplace(incoming.content.begin(), incoming.content.end());
    }
    (*records)->settle();
  }
  CHECK(got == bytes_of("hello"));
  CHECK(message == Bytes{2});
}

TEST_CASE("offload: the kernel engine and a tampered record, record_invalid") {
  if (!probe_engines().kernel) SKIP("this kernel has no working kTLS");
  const auto suite = CipherSuite::aes_128_gcm_sha256;
  BufferPool pool;
  auto pair = tcp_pair();
  REQUIRE(prepare_socket(pair.left, RecordEngine::kernel).has_value());
  auto records =
      Records::create(pair.left, fixed_keys(suite, 1), fixed_keys(suite, 2), kernel_options, pool);
  REQUIRE(records.has_value());
  Peer peer = make_peer(std::move(pair.right), suite);
  Bytes record = peer.sealed(23, bytes_of("secret"));
  record.back() ^= 1;
  write_all(peer.fd(), record);
  Incoming incoming = (*records)->next();
  for (int i = 0; i < 2000 && incoming.kind == Incoming::Kind::nothing; ++i) {
    incoming = (*records)->next();
  }
  CHECK(incoming.kind == Incoming::Kind::failed);
  CHECK(incoming.refusal == Refusal::record_invalid);
}

}  // namespace
