// SPDX-License-Identifier: Apache-2.0
#include "probes.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <fstream>
#include <limits>
#include <sstream>

#include "culvert/fd.h"

namespace culvert::cli {
namespace {

int bpf(bpf_cmd command, bpf_attr &attributes) {
  return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

// errno, or 0; what was made is closed again.
int closed(int fd) {
  if (fd < 0) return errno;
  ::close(fd);
  return 0;
}

int try_map() {
  bpf_attr attributes{};
  attributes.map_type = BPF_MAP_TYPE_HASH;
  attributes.key_size = 4;
  attributes.value_size = 4;
  attributes.max_entries = 1;
  return closed(bpf(BPF_MAP_CREATE, attributes));
}

// Loads "return 1" as a program of this type: nothing is attached.
int try_program(bpf_prog_type type, bpf_attach_type attach) {
  std::array<bpf_insn, 2> code{};
  code[0] = {
      .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = 1};
  code[1].code = BPF_JMP | BPF_EXIT;
  static constexpr char license[] = "Dual BSD/GPL";
  bpf_attr attributes{};
  attributes.prog_type = type;
  attributes.expected_attach_type = attach;
  attributes.insns = reinterpret_cast<std::uintptr_t>(code.data());
  attributes.insn_cnt = code.size();
  attributes.license = reinterpret_cast<std::uintptr_t>(&license[0]);
  return closed(bpf(BPF_PROG_LOAD, attributes));
}

int setup_ring(unsigned flags) {
  io_uring_params parameters{};
  parameters.flags = flags;
  return static_cast<int>(::syscall(SYS_io_uring_setup, 4, &parameters));
}

// IORING_REGISTER_PBUF_RING (5.19) with one page of buffers.
bool takes_buffer_ring(int ring) {
  constexpr std::size_t page = 4096;
  void *memory = ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  struct {  // struct io_uring_buf_reg, absent from older headers
    std::uint64_t address;
    std::uint32_t entries;
    std::uint16_t group, flags;
    std::array<std::uint64_t, 3> reserved;
  } registration{reinterpret_cast<std::uintptr_t>(memory), 16, 1, 0, {}};
  constexpr int register_buffer_ring = 22;
  long answer = ::syscall(SYS_io_uring_register, ring, register_buffer_ring, &registration, 1);
  ::munmap(memory, page);
  return answer == 0;
}

int set_ulp(int fd) { return ::setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 3) == 0 ? 0 : errno; }

}  // namespace

BpfFacts probe_bpf() {
  struct Program {
    bpf_prog_type type;
    bpf_attach_type attach;
    std::string_view name;
  };
  static constexpr std::array<Program, 5> programs = {{
      {BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT, "cgroup/connect4"},
      {BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_GETPEERNAME, "cgroup/getpeername4"},
      {BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS, "sock_ops"},
      {BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, "sk_lookup"},
      {BPF_PROG_TYPE_XDP, BPF_XDP, "xdp"},
  }};
  if (int error = try_map(); error != 0) return {error, "map"};
  for (const Program &program : programs) {
    if (int error = try_program(program.type, program.attach); error != 0) {
      return {error, program.name};
    }
  }
  return {};
}

IoUringFacts probe_io_uring() {
  IoUringFacts facts;
  std::string disabled = read_small_file("/proc/sys/kernel/io_uring_disabled");
  std::from_chars(disabled.data(), disabled.data() + disabled.size(), facts.disabled);
  int ring = setup_ring(0);
  if (ring < 0) {
    facts.error = errno;
    return facts;
  }
  facts.buffer_rings = takes_buffer_ring(ring);
  ::close(ring);
  constexpr unsigned single_issuer = 1U << 12, defer_taskrun = 1U << 13;  // io_uring.h of 6.1
  facts.task_work = closed(setup_ring(single_issuer | defer_taskrun)) == 0;
  return facts;
}

int probe_ktls() {
  int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listening < 0 || client < 0) return errno;
  UniqueFd listener(listening), connection(client);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto *generic = reinterpret_cast<sockaddr *>(&address);
  socklen_t size = sizeof address;
  if (::bind(listening, generic, size) != 0 || ::listen(listening, 1) != 0 ||
      ::getsockname(listening, generic, &size) != 0 || ::connect(client, generic, size) != 0) {
    return errno;
  }
  return set_ulp(client);
}

ClockFacts probe_clock() {
  timex clock{};
  int state = ::adjtimex(&clock);
  bool synchronised = state >= 0 && state != TIME_ERROR && (clock.status & STA_UNSYNC) == 0;
  return {std::time(nullptr), synchronised};
}

int probe_btf() { return closed(::open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC)); }

std::uint64_t effective_capabilities() {
  std::istringstream lines(read_small_file("/proc/self/status"));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("CapEff:")) return std::strtoull(line.c_str() + 7, nullptr, 16);
  }
  return 0;
}

std::uint64_t open_files_hard_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return limit.rlim_max == RLIM_INFINITY ? std::numeric_limits<std::uint64_t>::max()
                                         : limit.rlim_max;
}

std::string read_small_file(const std::string &path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace culvert::cli
