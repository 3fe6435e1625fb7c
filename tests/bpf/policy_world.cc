// SPDX-License-Identifier: Apache-2.0
#include "policy_world.h"

#include <arpa/inet.h>
#include <poll.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>

namespace culvert::test {

SetBuilder::SetBuilder(culvert_verdict otherwise) { contents.entry.otherwise = otherwise; }

SetBuilder &SetBuilder::identity(std::uint32_t identity, std::uint32_t number) {
  contents.identities.push_back({{0, identity}, {number}});
  return *this;
}

SetBuilder &SetBuilder::source(const char *prefix, std::uint32_t number) {
  const std::string text = prefix;
  const std::size_t slash = text.find('/');
  REQUIRE(slash != text.npos);
  const Ip ip = *Ip::parse(text.substr(0, slash));
  const auto bits = static_cast<std::uint32_t>(std::stoul(text.substr(slash + 1)));
  policy_source_key key{32 + bits + (ip.is_v4() ? 96 : 0), 0, {}};
  std::ranges::copy(ip.bytes, key.ip);
  contents.sources.push_back({key, {number}});
  return *this;
}

SetBuilder &SetBuilder::port(std::uint16_t port, bool is_v6, std::uint32_t number) {
  contents.ports.push_back({{0, port, is_v6}, {number}});
  return *this;
}

SetBuilder &SetBuilder::cell(std::uint32_t identity, std::uint32_t source, std::uint32_t port,
                             culvert_verdict verdict, std::uint16_t policy) {
  const int shape = (identity != VERDICT_ANY ? SHAPE_IDENTITY : 0) |
                    (source != VERDICT_ANY ? SHAPE_SOURCE : 0) |
                    (port != VERDICT_ANY ? SHAPE_PORT : 0);
  contents.entry.shapes = static_cast<__u8>(contents.entry.shapes | 1 << shape);
  contents.entry.asks = static_cast<__u8>(contents.entry.asks | shape);
  contents.cells.push_back({{0, identity, source, port}, {verdict, policy, 0}});
  return *this;
}

std::uint32_t add(Capture &capture, const SetBuilder &set) {
  const std::uint32_t number = capture.policies().new_set();
  const auto added = capture.policies().add_set(number, set.contents);
  if (!added) FAIL(added.error().text);
  return number;
}

void publish(Capture &capture, const Pod &pod, std::uint32_t set, Plaintext plaintext) {
  const auto published = capture.set_pod(pod.netns, pod.addresses, true, set, plaintext);
  if (!published) FAIL(published.error().text);
}

std::vector<Way> ways_to(const Pod &pod) {
  return {{"IPv4", AF_INET, pod.addresses.v4},
          {"IPv6", AF_INET6, pod.addresses.v6},
          {"IPv4 on IPv6", AF_INET6, pod.addresses.v4},
          {"127.0.0.1", AF_INET, Ip::loopback_v4()},
          {"127.9.9.9", AF_INET, *Ip::parse("127.9.9.9")},
          {"::1", AF_INET6, Ip::loopback_v6()},
          {"127.0.0.1 on IPv6", AF_INET6, Ip::loopback_v4()},
          {"0.0.0.0", AF_INET, *Ip::parse("0.0.0.0")},
          {"::", AF_INET6, Ip{}}};
}

Application::Application(const Pod &pod) {
  for (std::uint16_t port = first_port; port < first_port + ports; ++port) {
    listeners_.push_back(pod.application_socket(AF_INET6));
    bind_to(listeners_.back().get(), {Ip{}, port});
  }
  accepts_ = std::jthread([this](const std::stop_token &stop) {
    std::vector<pollfd> polled;
    for (const UniqueFd &listener : listeners_)
      polled.push_back({listener.get(), POLLIN, 0});
    while (!stop.stop_requested()) {
      ::poll(polled.data(), polled.size(), 50);
      for (const pollfd &one : polled) {
        if (one.revents != 0) ::close(::accept(one.fd, nullptr, nullptr));
      }
    }
  });
}

Application::~Application() = default;

int reach(const Announcer &announcer, const Pod &pod, int family, const Endpoint &to,
          const Client &client) {
  const auto socket = socket_in(pod.netns, family, SOCK_STREAM);
  if (!socket) return socket.error().code;
  const linger reset{1, 0};  // or ports run out
  (void)::setsockopt(socket->get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  const auto told =
      announcer.announce(socket->get(), {*Ip::parse(client.ip), 40000}, client.identity);
  if (!told) return told.error().code;
  return connect_to(socket->get(), to);
}

int reach(const Capture &capture, const Pod &pod, int family, const Endpoint &to,
          const Client &client) {
  int error = 0;
  std::thread([&] { error = reach(capture.announcer(), pod, family, to, client); }).join();
  return error;
}

}  // namespace culvert::test
