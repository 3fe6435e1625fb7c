// SPDX-License-Identifier: Apache-2.0
// Fail closed: every way to refuse, each with its counter.
#include <linux/capability.h>
#include <linux/filter.h>
#include <sys/syscall.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>

#include "capture_world.h"

using namespace culvert;
using namespace culvert::test;

namespace {
constexpr std::uint16_t port = 8080;
constexpr std::uint16_t reserved_ports[] = {15001, 15006};

bool set_filter(int socket, unsigned loads) {
  // A load from the packet becomes some ten instructions of the kernel's, each of which is charged.
  std::vector<sock_filter> code(loads, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0));
  code.push_back(BPF_STMT(BPF_RET | BPF_K, 0xffffffff));
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  return ::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

bool remove_filter(int socket) {
  const int unused = 0;
  return ::setsockopt(socket, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused) == 0;
}

// The largest filter it takes: what a socket may allocate (net.core.optmem_max) is then used up.
void use_up_memory(int socket) {
  unsigned fits = 0;
  for (unsigned step = BPF_MAXINSNS / 2; step > 0; step /= 2) {
    if (set_filter(socket, fits + step)) {
      fits += step;
      REQUIRE(remove_filter(socket));
    }
  }
  REQUIRE((fits > 0 && fits < BPF_MAXINSNS - 2));
  REQUIRE(set_filter(socket, fits));
}

// The calling thread as an application without CAP_NET_RAW, as most are.
class WithoutNetRaw {
 public:
  WithoutNetRaw() {
    REQUIRE(::syscall(SYS_capget, &header_, before_) == 0);
    __user_cap_data_struct less[2] = {before_[0], before_[1]};
    less[0].effective &= ~(1U << CAP_NET_RAW);
    REQUIRE(::syscall(SYS_capset, &header_, less) == 0);
  }
  ~WithoutNetRaw() { (void)::syscall(SYS_capset, &header_, before_); }

 private:
  __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct before_[2] = {};
};
}  // namespace

TEST_CASE("refusal: without a daemon a meshed destination is refused, not reached in clear") {
  World world;
  const UniqueFd server = world.b->application_socket(AF_INET6);
  bind_to(server.get(), {Ip{}, port});
  auto capture = world.meshed_capture();
  for (const bool daemon_lives : {true, false}) {
    if (!daemon_lives) capture.reset();  // the pins stay
    for (const Flavour &flavour : flavours) {
      INFO(flavour.name);
      const UniqueFd client = world.a->application_socket(flavour.family);
      CHECK(connect_to(client.get(), {flavour.of(*world.b), port}) == ECONNREFUSED);
    }
  }
  CHECK_FALSE(accept_on(server.get(), 100));
}

TEST_CASE("refusal: the reserved ports, by every way an application could name them") {
  World world;
  const auto capture = world.meshed_capture();
  auto listeners = capture->attach_pod(world.a->netns, 1);
  REQUIRE(listeners);
  std::uint64_t refused = 0;
  for (const std::uint16_t reserved : reserved_ports) {
    for (const Flavour &flavour : flavours) {
      const bool v4 = flavour.family == AF_INET || flavour.mapped;
      for (const Ip &ip :
           {v4 ? Ip::loopback_v4() : Ip::loopback_v6(), flavour.of(*world.a), flavour.of(*world.b),
            v4 ? *Ip::parse("127.9.9.9") : Ip::loopback_v6(), v4 ? *Ip::parse("0.0.0.0") : Ip{}}) {
        INFO(flavour.name << " " << ip.text() << " " << reserved);
        const UniqueFd client = world.a->application_socket(flavour.family);
        CHECK(connect_to(client.get(), {ip, reserved}) == ECONNREFUSED);
        CHECK(event(*capture, "refused_reserved_port") == ++refused);
      }
    }
  }
}

TEST_CASE("refusal: an unknown pod reaches what is not meshed, and nothing that is") {
  World world;
  const auto capture = world.meshed_capture();
  const UniqueFd server = world.b->application_socket(AF_INET6);
  bind_to(server.get(), {Ip{}, port});
  capture->forget_pod(world.a->netns.cookie);
  for (const Flavour &flavour : flavours) {
    INFO(flavour.name);
    const UniqueFd client = world.a->application_socket(flavour.family);
    CHECK(connect_to(client.get(), {flavour.of(*world.b), port}) == ECONNREFUSED);
  }
  CHECK(event(*capture, "refused_unknown_pod") == 3);
  CHECK_FALSE(accept_on(server.get(), 100));
  REQUIRE(capture->set_destinations({}));
  const UniqueFd client = world.a->application_socket(AF_INET);
  CHECK(connect_to(client.get(), {world.b->addresses.v4, port}) == 0);
}

TEST_CASE("refusal: a plain pod is never captured") {
  World world;
  const auto capture = world.meshed_capture();
  const UniqueFd server = world.b->application_socket(AF_INET6);
  bind_to(server.get(), {Ip{}, port});
  REQUIRE(capture->set_pod(world.a->netns, world.a->addresses, false, 0));
  for (const Flavour &flavour : flavours) {
    INFO(flavour.name);
    const UniqueFd client = world.a->application_socket(flavour.family);
    REQUIRE(connect_to(client.get(), {flavour.of(*world.b), port}) == 0);
    CHECK(accept_on(server.get()));
  }
  CHECK(event(*capture, "captured") == 0);
}

TEST_CASE("refusal: before the first set of destinations everything but the pod itself") {
  World world;
  const auto capture = world.capture();
  REQUIRE(capture->set_pod(world.a->netns, world.a->addresses, true, 0));
  const UniqueFd server = world.b->application_socket(AF_INET6);
  bind_to(server.get(), {Ip{}, port});
  for (const Flavour &flavour : flavours) {
    INFO(flavour.name);
    const UniqueFd client = world.a->application_socket(flavour.family);
    CHECK(connect_to(client.get(), {flavour.of(*world.b), port}) == ECONNREFUSED);
  }
  CHECK(event(*capture, "refused_incomplete") == 3);
  REQUIRE(capture->set_destinations({}));
  const UniqueFd client = world.a->application_socket(AF_INET);
  CHECK(connect_to(client.get(), {world.b->addresses.v4, port}) == 0);
}

TEST_CASE("refusal: destinations full is named, and what did not fit is refused until it does") {
  World world;
  world.options.destinations_max = 4;
  const auto capture = world.capture();
  REQUIRE(capture->set_pod(world.a->netns, world.a->addresses, true, 0));
  const UniqueFd server = world.b->application_socket(AF_INET);
  bind_to(server.get(), {world.b->addresses.v4, port});
  Capture::Destinations many;
  for (int host = 1; host < 20; ++host) {
    many.workloads.push_back(*Ip::parse("10.50.0." + std::to_string(host)));
  }
  REQUIRE(capture->set_destinations({}));
  const auto full = capture->set_destinations(many);
  REQUIRE_FALSE(full);
  CHECK(full.error().text.find("19 meshed destinations, room for 4") != std::string::npos);
  CHECK(entries(*capture, "destinations") == 4);
  const UniqueFd refused = world.a->application_socket(AF_INET);
  CHECK(connect_to(refused.get(), {world.b->addresses.v4, port}) == ECONNREFUSED);
  CHECK(event(*capture, "refused_incomplete") == 1);
  many.workloads.resize(3);
  REQUIRE(capture->set_destinations(many));
  CHECK(entries(*capture, "destinations") == 3);
  const UniqueFd passed = world.a->application_socket(AF_INET);
  CHECK(connect_to(passed.get(), {world.b->addresses.v4, port}) == 0);
}

TEST_CASE("refusal: flows full, the daemon does not find the connection and so refuses it") {
  World world;
  world.options.flows_max = 2;
  const auto capture = world.meshed_capture();
  auto listeners = capture->attach_pod(world.a->netns, 1);
  REQUIRE(listeners);
  std::vector<UniqueFd> clients;
  int found = 0;
  for (int count = 0; count < 4; ++count) {
    clients.push_back(world.a->application_socket(AF_INET));
    REQUIRE(connect_to(clients.back().get(), {world.b->addresses.v4, port}) == 0);
  }
  CHECK(event(*capture, "refused_flows_full") == 2);
  for (int count = 0; count < 4; ++count) {
    const auto accepted = accept_on(listeners->front().outbound_v4.get());
    REQUIRE(accepted);
    const auto flow = capture->flows().take(world.a->netns.cookie, accepted->peer);
    if (flow)
      ++found;
    else
      CHECK(flow.error().code == ENOENT);
  }
  CHECK(found == 2);
}

TEST_CASE("refusal: a socket without memory for its destination is refused, then captured") {
  World world;
  const auto capture = world.meshed_capture();
  auto listeners = capture->attach_pod(world.a->netns, 1);
  REQUIRE(listeners);
  std::uint64_t refused = 0;
  for (const Flavour &flavour : flavours) {
    INFO(flavour.name);
    const UniqueFd client = world.a->application_socket(flavour.family);
    use_up_memory(client.get());
    CHECK(connect_to(client.get(), {flavour.of(*world.b), port}) == ECONNREFUSED);
    CHECK(event(*capture, "refused_no_storage") == ++refused);
    REQUIRE(remove_filter(client.get()));
    CHECK(connect_to(client.get(), {flavour.of(*world.b), port}) == 0);
  }
  CHECK(event(*capture, "captured") == refused);
}

TEST_CASE("refusal: a device that cannot be undone, for want of CAP_NET_RAW") {
  World world;
  const auto capture = world.meshed_capture();
  auto listeners = capture->attach_pod(world.a->netns, 1);
  REQUIRE(listeners);
  const UniqueFd server = world.b->application_socket(AF_INET6);
  bind_to(server.get(), {Ip{}, port});
  std::uint64_t refused = 0;
  for (const Flavour &flavour : flavours) {
    INFO(flavour.name);
    const UniqueFd client = world.a->application_socket(flavour.family);
    const WithoutNetRaw application;
    REQUIRE(::setsockopt(client.get(), SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5) == 0);
    CHECK(connect_to(client.get(), {flavour.of(*world.b), port}) == ECONNREFUSED);
    CHECK(event(*capture, "refused_device") == ++refused);
  }
  CHECK(event(*capture, "captured") == 0);
  CHECK_FALSE(accept_on(server.get(), 100));
}

TEST_CASE("refusal: pods full is named") {
  World world;
  world.options.pods_max = 1;
  const auto capture = world.capture();
  REQUIRE(capture->set_pod(world.a->netns, world.a->addresses, true, 0));
  const auto full = capture->set_pod(world.b->netns, world.b->addresses, true, 0);
  REQUIRE_FALSE(full);
  CHECK(full.error().text.starts_with("BPF map pods: insert: "));
  capture->forget_pod(world.a->netns.cookie);
  CHECK(capture->set_pod(world.b->netns, world.b->addresses, true, 0));
}

TEST_CASE("refusal: options that cannot work are named") {
  World world;
  const auto refuse = [&](auto change, const std::string &expected) {
    Capture::Options options = world.options;
    change(options);
    const auto created = Capture::create(options);
    REQUIRE_FALSE(created);
    INFO(created.error().text);
    CHECK(created.error().text.find(expected) != std::string::npos);
  };
  refuse([](auto &options) { options.cgroup += "/none"; }, "/none: open: No such file");
  refuse([](auto &options) { options.cgroup = "/tmp"; }, "cgroup /tmp: not on cgroup2");
  const std::string root = std::filesystem::path(world.base_cgroup).parent_path();
  refuse([&](auto &options) { options.cgroup = root; }, "culvertd itself runs below it");
  const std::string below = world.daemon_cgroup + "/pods";
  std::filesystem::create_directory(below);
  refuse([&](auto &options) { options.cgroup = below; }, "culvertd itself runs there, above");
  std::filesystem::remove(below);
  refuse([](auto &options) { options.bpffs = "pins"; }, "'pins': not absolute");
}
