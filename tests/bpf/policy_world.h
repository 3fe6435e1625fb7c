// SPDX-License-Identifier: Apache-2.0
// policy_world: policy sets by hand, and the daemon's connections to the applications of pod b.
#pragma once

#include <cstdint>
#include <thread>
#include <vector>

#include "capture_world.h"

namespace culvert::test {

// A set under construction. Classes are the test's own; 0 is every key that is not listed.
class SetBuilder {
 public:
  explicit SetBuilder(culvert_verdict otherwise);
  SetBuilder &identity(std::uint32_t identity, std::uint32_t number);
  // `prefix`: "10.0.0.0/8", "fd00::/8", as they are in a policy.
  SetBuilder &source(const char *prefix, std::uint32_t number);
  SetBuilder &port(std::uint16_t port, bool is_v6, std::uint32_t number);
  // VERDICT_ANY: not asked about.
  SetBuilder &cell(std::uint32_t identity, std::uint32_t source, std::uint32_t port,
                   culvert_verdict verdict, std::uint16_t policy = 0);
  PolicyMapContents contents;
};

// Adds it; the number.
std::uint32_t add(Capture &capture, const SetBuilder &set);

void publish(Capture &capture, const Pod &pod, std::uint32_t set,
             Plaintext plaintext = Plaintext::taken);

// Who connects, as the daemon announces it.
struct Client {
  std::uint32_t identity = 1;
  const char *ip = "10.77.0.5";
};

// An application in pod b that accepts everything, on several ports and both families.
class Application {
 public:
  static constexpr std::uint16_t first_port = 8080, ports = 4;
  explicit Application(const Pod &pod);
  ~Application();

 private:
  std::vector<UniqueFd> listeners_;
  std::jthread accepts_;
};

// Every way to name an application of the pod: its own addresses and loopback.
struct Way {
  const char *name;
  int family;
  Ip ip;
};
std::vector<Way> ways_to(const Pod &pod);

// A connection of the daemon inside the pod: 0 or errno. May be called on any thread, which it
// leaves in the pod's namespace.
int reach(const Announcer &announcer, const Pod &pod, int family, const Endpoint &to,
          const Client &client);
// The same on a thread of its own.
int reach(const Capture &capture, const Pod &pod, int family, const Endpoint &to,
          const Client &client);

}  // namespace culvert::test
