// SPDX-License-Identifier: Apache-2.0
#include "capture_world.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace culvert::test {

namespace {

struct SocketRequest {
  int family, type;
};

std::string cgroup2_mount() {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string source, point, type;
    fields >> source >> point >> type;
    if (type == "cgroup2") return point;
  }
  FAIL("no cgroup2 mount");
  return {};
}

std::string current_cgroup() {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::")) return cgroup2_mount() + line.substr(3);
  }
  FAIL("no cgroup2 in /proc/self/cgroup");
  return {};
}

void move_to(const std::string &cgroup) {
  std::ofstream procs(cgroup + "/cgroup.procs");
  procs << ::getpid() << std::flush;
  if (!procs.good()) FAIL("cannot move to " << cgroup);
}

// The body of a pod's process: opens what it is asked for until its channel closes.
[[noreturn]] void serve_sockets(int channel, const std::string &cgroup) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Nothing of the test's may live on in here: pins, links, other pods' channels.
  channel = ::dup2(channel, STDERR_FILENO + 1);
  ::close_range(static_cast<unsigned>(channel) + 1, ~0U, 0);
  std::ofstream procs(cgroup + "/cgroup.procs");
  procs << ::getpid() << std::flush;
  char ready = procs.good() && ::unshare(CLONE_NEWNET) == 0;
  if (::write(channel, &ready, 1) != 1) ::_exit(1);
  SocketRequest request;
  while (::read(channel, &request, sizeof request) == sizeof request) {
    int fd = ::socket(request.family, request.type | SOCK_CLOEXEC, 0);
    char byte = 0;
    iovec data{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    if (::sendmsg(channel, &message, 0) != 1) ::_exit(1);
    ::close(fd);
  }
  ::_exit(0);
}

UniqueFd receive_fd(int channel) {
  char byte;
  iovec data{&byte, 1};
  int fd = -1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  REQUIRE(::recvmsg(channel, &message, MSG_CMSG_CLOEXEC) == 1);
  const cmsghdr *header = CMSG_FIRSTHDR(&message);
  REQUIRE(header != nullptr);
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return UniqueFd(fd);
}

}  // namespace

Pod::Pod(const std::string &cgroup, const char *ip4, const char *ip6) {
  addresses = {*Ip::parse(ip4), *Ip::parse(ip6)};
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  channel_ = UniqueFd(ends[0]);
  pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    ::close(ends[0]);
    serve_sockets(ends[1], cgroup);
  }
  ::close(ends[1]);
  char ready = 0;
  REQUIRE((::read(channel_.get(), &ready, 1) == 1 && ready == 1));
  auto opened = open_netns("/proc/" + std::to_string(pid) + "/ns/net");
  if (!opened) FAIL(opened.error().text);
  netns = std::move(*opened);
}

Pod::~Pod() {
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

UniqueFd Pod::application_socket(int family, int type) const {
  const SocketRequest request{family, type};
  REQUIRE(::write(channel_.get(), &request, sizeof request) == sizeof request);
  return receive_fd(channel_.get());
}

UniqueFd Pod::outside_socket(int family, int type) const {
  int fd = -1;
  std::thread([&] {
    if (::setns(netns.fd.get(), CLONE_NEWNET) == 0) fd = ::socket(family, type | SOCK_CLOEXEC, 0);
  }).join();
  REQUIRE(fd >= 0);
  return UniqueFd(fd);
}

void Pod::shell(const std::string &command) const {
  const std::string line =
      "nsenter --net=/proc/" + std::to_string(pid) + "/ns/net sh -ec '" + command + "'";
  INFO(line);
  REQUIRE(std::system(line.c_str()) == 0);
}

World::World() {
  const rlimit files{8192, 8192};  // a test opens thousands of sockets at once
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &files) == 0);
  const std::string name = "culvert-cap-" + std::to_string(::getpid());
  base_cgroup = cgroup2_mount() + "/" + name;
  options.cgroup = base_cgroup + "/pods";
  options.bpffs = "/sys/fs/bpf/" + name;
  // As many as a case needs: each makes the maps anew, which takes seconds in a virtual machine.
  options.destinations_max = options.flows_max = 8192;
  options.policies = {
      .sets = 1024, .identities = 65536, .sources = 65536, .ports = 8192, .cells = 65536};
  std::filesystem::create_directories(options.cgroup + "/pod");
  daemon_cgroup = base_cgroup + "/daemon";
  std::filesystem::create_directories(daemon_cgroup);
  former_cgroup_ = current_cgroup();
  move_to(daemon_cgroup);
  a = std::make_unique<Pod>(options.cgroup + "/pod", "10.9.0.1", "fd09::1");
  b = std::make_unique<Pod>(options.cgroup + "/pod", "10.9.0.2", "fd09::2");
  a->shell("ip link add eth0 type veth peer name eth0 netns " + std::to_string(b->pid));
  for (const Pod *pod : {a.get(), b.get()}) {
    pod->shell("ip link set lo up; ip link set eth0 up; ip addr add " + pod->addresses.v4.text() +
               "/24 dev eth0; ip addr add " + pod->addresses.v6.text() + "/64 dev eth0 nodad");
    // The kernel makes the local route of an IPv6 address a moment later, by a work queue.
    REQUIRE(eventually([&] {
      const UniqueFd probe = pod->outside_socket(AF_INET6);
      return connect_to(probe.get(), {pod->addresses.v6, 9}) == ECONNREFUSED;
    }));
  }
}

World::~World() {
  a.reset();
  b.reset();
  std::error_code ignored;
  // bpffs: unlinking the pins is what lets maps, links and programs go
  for (const char *part : {"/links", "/maps", ""}) {
    for (const auto &entry : std::filesystem::directory_iterator(options.bpffs + part, ignored)) {
      std::filesystem::remove(entry.path(), ignored);
    }
  }
  std::filesystem::remove(options.bpffs, ignored);
  std::ofstream(former_cgroup_ + "/cgroup.procs") << ::getpid();
  for (const std::string &path :
       {options.cgroup + "/pod", options.cgroup, daemon_cgroup, base_cgroup}) {
    ::rmdir(path.c_str());
  }
}

std::unique_ptr<Capture> World::capture() {
  auto created = Capture::create(options);
  if (!created) FAIL(created.error().text);
  return std::move(*created);
}

std::unique_ptr<Capture> World::meshed_capture() {
  auto made = capture();
  const std::uint32_t open = add_simple_set(*made, VERDICT_ALLOW);
  Capture::Destinations all;
  for (const Pod *pod : {a.get(), b.get()}) {
    REQUIRE(made->set_pod(pod->netns, pod->addresses, true, open, Plaintext::taken));
    all.workloads.push_back(pod->addresses.v4);
    all.workloads.push_back(pod->addresses.v6);
  }
  REQUIRE(made->set_destinations(all));
  return made;
}

std::uint32_t add_simple_set(Capture &capture, culvert_verdict otherwise) {
  const std::uint32_t set = capture.policies().new_set();
  const auto added =
      capture.policies().add_set(set, {.entry = {otherwise, VERDICT_NO_POLICY, 0, 0}});
  if (!added) FAIL(added.error().text);
  return set;
}

UniqueFd daemon_socket(const Pod &pod, int family) {
  Result<UniqueFd> socket = fail_os("not run", 0);
  std::thread([&] { socket = socket_in(pod.netns, family, SOCK_STREAM); }).join();
  if (!socket) FAIL(describe(socket.error()));
  return std::move(*socket);
}

std::uint64_t event(const Capture &capture, const std::string &name) {
  for (const auto &[event_name, count] : capture.events()) {
    if (event_name == name) return count;
  }
  FAIL("no event " << name);
  return 0;
}

std::uint64_t entries(const Capture &capture, const std::string &map) {
  for (const MapUse &use : capture.maps()) {
    if (use.name == map) return use.entries;
  }
  FAIL("no map " << map);
  return 0;
}

std::string output_of(const std::string &command) {
  const std::unique_ptr<FILE, int (*)(FILE *)> pipe(::popen(command.c_str(), "r"), ::pclose);
  REQUIRE(pipe != nullptr);
  std::string text;
  char buffer[4096];
  while (const std::size_t size = std::fread(buffer, 1, sizeof buffer, pipe.get())) {
    text.append(buffer, size);
  }
  return text;
}

bool eventually(const std::function<bool()> &condition, int timeout_ms) {
  for (int waited_ms = 0; waited_ms < timeout_ms; waited_ms += 20) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return condition();
}

}  // namespace culvert::test
