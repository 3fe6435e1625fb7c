// SPDX-License-Identifier: Apache-2.0
// bench_load: the applications of the benchmark, both ends. bench/run starts it in the pods.
//
//   bench_load serve BASE
//   bench_load bulk|requests|connects|connects-fresh ADDRESS BASE COUNT SIZE WARM WINDOW [CGROUP]…
//   bench_load idle ADDRESS BASE COUNT
//
// COUNT: streams, connections or connections in flight. SIZE: bytes of a write or request (connects
// take 1). WARM, WINDOW: seconds. CGROUP: directories whose CPU use is reported. One JSON line.
#include <sys/resource.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "modes.h"

namespace bench {
namespace {

template <class Number>
bool parse(std::string_view text, Number &out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out >= 0;
}

int usage() {
  std::fprintf(stderr,
               "usage: bench_load serve BASE\n"
               "       bench_load bulk|requests|connects|connects-fresh ADDRESS BASE COUNT SIZE "
               "WARM WINDOW [CGROUP]...\n"
               "       bench_load idle ADDRESS BASE COUNT\n");
  return 2;
}

void raise_file_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int run_measured(const std::vector<std::string> &words, const Target &target, std::size_t count) {
  std::size_t size = 0;
  double warm = 0;
  double window = 0;
  if (words.size() < 7 || !parse(words[4], size) || size == 0 || !parse(words[5], warm) ||
      !parse(words[6], window)) {
    return usage();
  }
  Measurement measurement(warm, window, {words.begin() + 7, words.end()});
  if (words[0] == "bulk") {
    run_bulk(target, count, size, measurement);
  } else if (words[0] == "requests") {
    run_requests(target, count, size, measurement);
  } else if (words[0] == "connects") {
    run_connects(target, Service::echo, count, measurement);
  } else if (words[0] == "connects-fresh") {
    run_connects(target, Service::echo_fresh, count, measurement);
  } else {
    return usage();
  }
  measurement.print();
  return 0;
}

int run(const std::vector<std::string> &words) {
  Target target;
  std::size_t count = 0;
  raise_file_limit();
  if (words.size() == 2 && words[0] == "serve" && parse(words[1], target.base)) serve(target.base);
  if (words.size() < 4 || !parse(words[2], target.base) || !parse(words[3], count) || count == 0) {
    return usage();
  }
  target.address = words[1];
  if (words[0] != "idle") return run_measured(words, target, count);
  run_idle(target, count);
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char **argv) { return bench::run({argv + 1, argv + argc}); }
