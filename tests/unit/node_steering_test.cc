// SPDX-License-Identifier: Apache-2.0
// Which connections the kernel may pass by the daemon: none that a policy or an identity decides.
#include <catch2/catch_test_macros.hpp>

#include "culvert/compiled_policy.h"
#include "node/steering.h"

using namespace culvert;

namespace {

const std::vector<Ip> node{*Ip::parse("10.0.0.254")};
const Ip ip4 = *Ip::parse("10.0.0.1"), ip6 = *Ip::parse("fd00::1");

Workload pod(MtlsMode everywhere, std::vector<InboundModes::Port> ports = {}) {
  Workload made;
  made.ns = "shop";
  made.name = "web";
  made.meshed = true;
  made.ips = {ip4, ip6};
  made.policies = std::make_shared<const PolicySet>();
  made.modes = {.everywhere = everywhere, .ports = std::move(ports), .because = ""};
  made.probe_ports = {8081};
  return made;
}

Snapshot only(const Workload &workload) {
  Snapshot snapshot;
  snapshot.workloads = {std::make_shared<const Workload>(workload)};
  return snapshot;
}

TEST_CASE("steering: each mode, and each port its own") {
  CHECK(steering_of(pod(MtlsMode::strict), node).everywhere == Steer::all);
  CHECK(steering_of(pod(MtlsMode::permissive), node).everywhere == Steer::meshed);
  CHECK(steering_of(pod(MtlsMode::disable), node).everywhere == Steer::none);
  const auto steering = steering_of(
      pod(MtlsMode::permissive, {{80, MtlsMode::strict}, {81, MtlsMode::disable}}), node);
  CHECK(steering.ports == std::vector<InboundSteering::Port>{{80, Steer::all}, {81, Steer::none}});
  CHECK(steering.probe_ports == std::vector<std::uint16_t>{8081});
  CHECK(steering.node_ips == node);
}

TEST_CASE("steering: where a policy applies, or nobody knows, the daemon sees everything") {
  Workload with_policy = pod(MtlsMode::disable, {{81, MtlsMode::permissive}});
  auto set = std::make_shared<PolicySet>();
  set->policies = {std::make_shared<const AuthorizationPolicy>()};
  with_policy.policies = set;
  CHECK(steering_of(with_policy, node).everywhere == Steer::all);
  CHECK(steering_of(with_policy, node).ports.empty());
  CHECK(steering_of(with_policy, node).probe_ports.size() == 1);  // exempt, as in Istio

  Workload unknown = pod(MtlsMode::permissive);
  unknown.policies = nullptr;
  CHECK(steering_of(unknown, node).everywhere == Steer::all);
}

TEST_CASE("plaintext: refused only where every port is strict") {
  CHECK(plaintext_of(pod(MtlsMode::strict)) == Plaintext::refused);
  CHECK(plaintext_of(pod(MtlsMode::strict, {{80, MtlsMode::strict}})) == Plaintext::refused);
  CHECK(plaintext_of(pod(MtlsMode::strict, {{80, MtlsMode::disable}})) == Plaintext::taken);
  CHECK(plaintext_of(pod(MtlsMode::permissive, {{80, MtlsMode::strict}})) == Plaintext::taken);
}

TEST_CASE("destinations: in clear by mode DISABLE and by nothing else") {
  const auto strict = destinations_of(only(pod(MtlsMode::permissive, {{81, MtlsMode::disable}})));
  CHECK(strict.workloads == std::vector<Ip>{ip4, ip6});
  CHECK(strict.in_clear == std::vector<Endpoint>{{ip4, 81}, {ip6, 81}});
  CHECK(strict.protected_ports.empty());

  const auto disabled = destinations_of(
      only(pod(MtlsMode::disable, {{80, MtlsMode::strict}, {81, MtlsMode::disable}})));
  CHECK(disabled.workloads.empty());
  CHECK(disabled.in_clear == std::vector<Endpoint>{{ip4, 0}, {ip6, 0}});
  CHECK(disabled.protected_ports == std::vector<Endpoint>{{ip4, 80}, {ip6, 80}});
}

TEST_CASE("past the daemon: what may be there, and what a stricter mode or policy ends") {
  const auto stays = [](const Workload &workload, const Ip &client, std::uint16_t port,
                        const PolicyTable *table) {
    return may_pass(workload, steering_of(workload, node), table, {{client, 4000}, {ip4, port}});
  };
  const Ip client = *Ip::parse("10.0.0.9");
  const PolicyTable open(*CompiledPolicy::compile({}, {}, {}));
  const Workload mixed =
      pod(MtlsMode::strict, {{80, MtlsMode::permissive}, {81, MtlsMode::disable}});
  CHECK(stays(mixed, client, 80, &open));
  CHECK(stays(mixed, client, 81, &open));
  CHECK_FALSE(stays(mixed, client, 82, &open));
  CHECK_FALSE(stays(mixed, client, 80, nullptr));  // closed
  CHECK(stays(mixed, node[0], 8081, &open));  // a probe
  CHECK(stays(mixed, node[0], 8081, nullptr));
  CHECK_FALSE(stays(mixed, node[0], 82, &open));
  CHECK_FALSE(stays(mixed, client, 8081, &open));

  auto nobody = std::make_shared<AuthorizationPolicy>();  // allows nothing
  const PolicyTable closed(*CompiledPolicy::compile({{nobody}}, {}, {}));
  CHECK_FALSE(stays(mixed, client, 80, &closed));

  CHECK(passes_any(steering_of(mixed, node)));
  CHECK(passes_any(steering_of(pod(MtlsMode::permissive), node)));
  Workload strict = pod(MtlsMode::strict);
  CHECK(passes_any(steering_of(strict, node)));  // its probes
  strict.probe_ports.clear();
  CHECK_FALSE(passes_any(steering_of(strict, node)));
}

}  // namespace
