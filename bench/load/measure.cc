// SPDX-License-Identifier: Apache-2.0
#include "measure.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <limits>

#include "net.h"

namespace bench {

std::uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

namespace {

std::uint64_t from_seconds(double seconds) { return static_cast<std::uint64_t>(seconds * 1e9); }

// First line of cgroup2's cpu.stat: "usage_usec N"; there with or without the cpu controller.
std::uint64_t read_usage(const std::string &cgroup) {
  std::ifstream file(cgroup + "/cpu.stat");
  std::string name;
  std::uint64_t value = 0;
  if (!(file >> name >> value) || name != "usage_usec") die("read " + cgroup + "/cpu.stat");
  return value;
}

double microseconds(std::uint32_t ns) { return static_cast<double>(ns) / 1e3; }

}  // namespace

Measurement::Measurement(double warm_seconds, double window_seconds,
                         std::vector<std::string> cgroups)
    : cgroups_(std::move(cgroups)),
      open_at_ns_(now_ns() + from_seconds(warm_seconds)),
      window_ns_(from_seconds(window_seconds)) {
  took_ns_.reserve(1 << 20);
}

bool Measurement::over() {
  if (closed_ns_ != 0) return true;
  std::uint64_t now = now_ns();
  if (!open_ && now >= open_at_ns_) {
    before_ = read();
    opened_ns_ = now_ns();
    open_ = true;
  } else if (open_ && now >= opened_ns_ + window_ns_) {
    after_ = read();
    closed_ns_ = now;
    open_ = false;
  }
  return closed_ns_ != 0;
}

void Measurement::count_timed(std::uint64_t began_ns) {
  if (!open_ || began_ns < opened_ns_) return;
  std::uint64_t took = now_ns() - began_ns;
  took_ns_.push_back(static_cast<std::uint32_t>(
      std::min<std::uint64_t>(took, std::numeric_limits<std::uint32_t>::max())));
  ++units_;
}

Meters Measurement::read() const {
  Meters meters;
  for (const std::string &cgroup : cgroups_)
    meters.cgroups.push_back(read_usage(cgroup));
  // "cpu user nice system idle iowait irq softirq steal …" in ticks of the user's HZ; proc(5).
  std::ifstream file("/proc/stat");
  std::string name;
  std::array<std::uint64_t, 8> ticks{};
  file >> name;
  for (std::uint64_t &tick : ticks)
    file >> tick;
  if (!file || name != "cpu") die("read /proc/stat");
  auto tick_us = 1'000'000 / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  meters.busy = (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) * tick_us;
  meters.steal = ticks[7] * tick_us;
  return meters;
}

void Measurement::print() {
  std::printf(R"({"seconds": %.6f, "units": %llu, "busy_us": %llu, "steal_us": %llu)",
              static_cast<double>(closed_ns_ - opened_ns_) / 1e9,
              static_cast<unsigned long long>(units_),
              static_cast<unsigned long long>(after_.busy - before_.busy),
              static_cast<unsigned long long>(after_.steal - before_.steal));
  std::printf(R"(, "cpu_us": [)");
  for (std::size_t index = 0; index < cgroups_.size(); ++index) {
    std::printf("%s%llu", index == 0 ? "" : ", ",
                static_cast<unsigned long long>(after_.cgroups[index] - before_.cgroups[index]));
  }
  std::printf("]");
  if (connections_ > 0) {
    std::printf(R"(, "connections": %llu)", static_cast<unsigned long long>(connections_));
  }
  if (!took_ns_.empty()) {
    std::ranges::sort(took_ns_);
    std::size_t last = took_ns_.size() - 1;
    std::printf(R"(, "p50_us": %.1f, "p99_us": %.1f)", microseconds(took_ns_[last / 2]),
                microseconds(took_ns_[last * 99 / 100]));
  }
  std::printf("}\n");
}

}  // namespace bench
