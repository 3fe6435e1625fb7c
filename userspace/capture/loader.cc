// SPDX-License-Identifier: Apache-2.0
#include "loader.h"

#include <fcntl.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include "problem_text.h"

namespace culvert {

namespace {

std::string &message() {
  static std::string text;
  return text;
}

int collect(libbpf_print_level level, const char *format, va_list arguments) {
  if (level != LIBBPF_WARN) return 0;
  char line[512];
  const int size = std::vsnprintf(line, sizeof line, format, arguments);
  if (size > 0) message() = line;
  return size;
}

Result<UniqueFd, Problem> duplicate(int borrowed, const std::string &object) {
  const int fd = ::fcntl(borrowed, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return problem_with(object, "dup", errno, "raise the limit of open files");
  return UniqueFd(fd);
}

}  // namespace

void collect_bpf_messages() {
  message().clear();
  ::libbpf_set_print(collect);
}

std::string last_bpf_message() {
  std::string text = message();
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  std::ranges::replace(text, '\n', ' ');
  return text;
}

std::unexpected<Problem> bpf_problem(const std::string &object, const char *what, int code) {
  const std::string said = last_bpf_message();
  return problem_with(object + (said.empty() ? "" : " (" + said + ")"), what, code,
                      "culvert needs Linux 6.1 or newer with CONFIG_BPF_SYSCALL, CONFIG_CGROUP_BPF "
                      "and CONFIG_INET: see culvert check");
}

Result<UniqueFd, Problem> own_fd(const bpf_map *map) {
  return duplicate(::bpf_map__fd(map), std::string("BPF map ") + ::bpf_map__name(map));
}

Result<UniqueFd, Problem> own_fd(const bpf_program *program) {
  return duplicate(::bpf_program__fd(program),
                   std::string("BPF program ") + ::bpf_program__name(program));
}

}  // namespace culvert
