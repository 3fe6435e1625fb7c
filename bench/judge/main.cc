// SPDX-License-Identifier: Apache-2.0
// bench_policy: what bench/policy measures beside connections.
//
//   bench_policy kernel DAEMON MAPS IP PORT REPEAT
//   bench_policy changes DAEMON MAPS IP MODEL TARGET COUNT
//   bench_policy tables NS/POD PORT ROUNDS DIRECTORY...
//
// DAEMON: process id of a culvertd. MAPS: where its maps are pinned. IP: of one of its pods.
#include <charconv>
#include <cstdio>
#include <string_view>

#include "modes.h"

namespace bench {
namespace {

template <class Number>
Number number(const std::string &text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) die(text + " is no such number");
  return value;
}

int usage() {
  std::fprintf(stderr,
               "usage: bench_policy kernel DAEMON MAPS IP PORT REPEAT\n"
               "       bench_policy changes DAEMON MAPS IP MODEL TARGET COUNT\n"
               "       bench_policy tables NS/POD PORT ROUNDS DIRECTORY...\n");
  return 2;
}

int run(const std::vector<std::string> &words) {
  const std::string mode = words.empty() ? "" : words[0];
  if (mode == "kernel" && words.size() == 6) {
    measure_kernel(Live(number<pid_t>(words[1]), words[2], words[3]),
                   number<std::uint16_t>(words[4]), number<std::uint32_t>(words[5]));
  } else if (mode == "changes" && words.size() == 7) {
    measure_changes(Live(number<pid_t>(words[1]), words[2], words[3]), words[4], words[5],
                    number<unsigned>(words[6]));
  } else if (mode == "tables" && words.size() > 4) {
    measure_tables({words.begin() + 4, words.end()}, words[1], number<std::uint16_t>(words[2]),
                   number<unsigned>(words[3]));
  } else {
    return usage();
  }
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char **argv) { return bench::run({argv + 1, argv + argc}); }
