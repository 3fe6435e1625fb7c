// SPDX-License-Identifier: Apache-2.0
// The kernel's verdict: its cost, and when a change has reached it.
#include <time.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "modes.h"

namespace bench {
namespace {

constexpr std::uint16_t first_port = 20000;
constexpr long poll_ns = 200'000, pause_ns = 150'000'000;  // pause: the daemon tidies up
constexpr double patience_ms = 60'000;

verdict_question question(std::uint32_t set, std::uint32_t identity, std::uint16_t port) {
  verdict_question asked{.set = set, .identity = identity, .client = {}, .port = port, .is_v6 = 0};
  const std::uint8_t client[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 77, 1, 9};
  std::memcpy(asked.client, client, sizeof client);
  return asked;
}

double now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

void sleep_ns(long ns) {
  const timespec time{.tv_sec = 0, .tv_nsec = ns};
  ::nanosleep(&time, nullptr);
}

std::string read_all(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) die("read " + path, errno);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string with_port(std::string model, std::uint16_t port) {
  constexpr std::string_view mark = "@PORT@";
  const std::size_t place = model.find(mark);
  if (place == std::string::npos) die("the model has no @PORT@");
  return model.replace(place, mark.size(), std::to_string(port));
}

// Written aside under a name that is no manifest's, then renamed: the change is one moment.
double replace(const std::filesystem::path &target, const std::string &text) {
  const std::filesystem::path draft = target.parent_path() / (".draft-" + target.stem().string());
  std::ofstream(draft, std::ios::binary) << text << std::flush;
  const double began_ms = now_ms();
  std::filesystem::rename(draft, target);
  return began_ms;
}

// Waits until the kernel says so of a client without an identity; the moment.
double wait_until(const Live &live, std::uint16_t port, culvert_verdict verdict) {
  const double began_ms = now_ms();
  while (live.ask(question(live.set(), IDENTITY_NONE, port)).verdict != verdict) {
    if (now_ms() - began_ms > patience_ms) die("a change has not reached the kernel in a minute");
    sleep_ns(poll_ns);
  }
  return now_ms();
}

}  // namespace

void measure_kernel(const Live &live, std::uint16_t port, std::uint32_t repeat) {
  const std::uint32_t set = live.set();
  const verdict_question asked = question(set, live.named_identity(set), port);
  if (live.ask(asked).verdict != VERDICT_ALLOW) die("the policies do not allow what is asked");
  live.cost_ns(asked, repeat / 10);
  std::printf("{\"ns\": %.1f}\n", live.cost_ns(asked, repeat));
}

void measure_changes(const Live &live, const std::string &model, const std::string &target,
                     unsigned count) {
  const std::string text = read_all(model);
  double before_ms = 0;
  std::printf("{\"ms\": [");
  for (unsigned i = 0; i <= count; ++i) {
    if (i == 1) before_ms = live.control_thread_ms();
    const auto port = static_cast<std::uint16_t>(first_port + i);
    wait_until(live, port, VERDICT_DENY);
    const double began_ms = replace(target, with_port(text, port));
    const double ended_ms = wait_until(live, port, VERDICT_ALLOW);
    if (i > 0) std::printf("%s%.3f", i == 1 ? "" : ", ", ended_ms - began_ms);
    sleep_ns(pause_ns);
  }
  std::printf("], \"cpu_ms\": %.2f}\n", (live.control_thread_ms() - before_ms) / count);
}

}  // namespace bench
