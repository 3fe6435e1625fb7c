// SPDX-License-Identifier: Apache-2.0
// measure: the clock, the CPU meters and the report of one measurement.
//
// A measurement is a warm-up and then a window. The meters are read by this program itself at both
// ends of the window, so that start-up, warm-up and tear-down are in no figure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

std::uint64_t now_ns();  // CLOCK_MONOTONIC

// Microseconds used so far.
struct Meters {
  std::vector<std::uint64_t> cgroups;  // usage_usec of each cgroup2 cpu.stat, in the order given
  std::uint64_t busy = 0;  // whole system: user, nice, system, irq, softirq (/proc/stat)
  std::uint64_t steal = 0;
};

// Measurement counts units (bytes, requests, connections) and keeps the time each took.
class Measurement {
 public:
  // cgroups: directories of cgroup2.
  Measurement(double warm_seconds, double window_seconds, std::vector<std::string> cgroups);

  // Opens and closes the window as time passes; call it in every turn. True once it is over.
  bool over();
  void count(std::uint64_t units) { units_ += open_ ? units : 0; }
  void count_timed(std::uint64_t began_ns);  // one unit, which took from then until now
  void count_connection() { ++connections_; }

  // One line of JSON: seconds, units, cpu_us (one for each cgroup), busy_us, steal_us and, where
  // connections were made, connections (those of the warm-up too) and, where units were timed,
  // p50_us and p99_us.
  void print();

 private:
  Meters read() const;

  std::vector<std::string> cgroups_;
  std::uint64_t open_at_ns_;
  std::uint64_t window_ns_;
  std::uint64_t opened_ns_ = 0;
  std::uint64_t closed_ns_ = 0;
  bool open_ = false;
  std::uint64_t units_ = 0;
  std::uint64_t connections_ = 0;
  std::vector<std::uint32_t> took_ns_;
  Meters before_;
  Meters after_;
};

}  // namespace bench
