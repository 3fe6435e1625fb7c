// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include <sys/utsname.h>

#include <algorithm>

namespace culvert::cli {
namespace {

std::string_view name(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok:
      return "ok";
    case Outcome::warning:
      return "warning";
    case Outcome::failure:
      return "failure";
  }
  return "";
}

Colour colour(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok:
      return Colour::green;
    case Outcome::warning:
      return Colour::yellow;
    case Outcome::failure:
      return Colour::red;
  }
  return Colour::none;
}

std::string padded(std::string_view text, std::size_t columns) {
  std::string out(text);
  out.append(columns - std::min(columns, text.size()), ' ');
  return out;
}

}  // namespace

std::vector<Check> check_machine() {
  utsname names{};
  ::uname(&names);
  std::string mounts = read_small_file("/proc/self/mounts");
  return {judge_kernel(&names.release[0]),
          judge_capabilities(effective_capabilities()),
          judge_bpf(probe_bpf()),
          judge_btf(probe_btf()),
          judge_cgroup2(mounts),
          judge_bpffs(mounts),
          judge_io_uring(probe_io_uring()),
          judge_ktls(probe_ktls()),
          judge_clock(probe_clock()),
          judge_open_files(open_files_hard_limit())};
}

bool passed(const std::vector<Check> &checks) {
  return std::ranges::none_of(checks, [](const Check &c) { return c.outcome == Outcome::failure; });
}

std::string render_checks(const std::vector<Check> &checks, const Palette &palette) {
  constexpr std::size_t outcome_width = 9, name_width = 14;
  std::string out;
  for (const Check &check : checks) {
    std::string outcome(name(check.outcome));
    out += palette.paint(colour(check.outcome), outcome) +
           std::string(outcome_width - outcome.size(), ' ') + padded(check.name, name_width) +
           printable(check.text) + "\n";
    if (check.next.empty()) continue;
    out += std::string(outcome_width + name_width, ' ') + "next: " + printable(check.next) + "\n";
  }
  auto failures = std::ranges::count(checks, Outcome::failure, &Check::outcome);
  if (failures == 0) return out + "this machine can run culvertd\n";
  return out + "this machine cannot run culvertd: " + std::to_string(failures) +
         (failures == 1 ? " failure\n" : " failures\n");
}

Json checks_json(const std::vector<Check> &checks) {
  Json list = Json::array();
  for (const Check &check : checks) {
    list.push_back({{"name", check.name},
                    {"result", std::string(name(check.outcome))},
                    {"found", check.text},
                    {"next", check.next.empty() ? Json(nullptr) : Json(check.next)}});
  }
  return {{"success", passed(checks)}, {"checks", list}};
}

}  // namespace culvert::cli
