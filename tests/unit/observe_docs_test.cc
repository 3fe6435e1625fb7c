// SPDX-License-Identifier: Apache-2.0
// docs/ lists what the daemon shows: nothing missing, nothing made up.
#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <set>
#include <sstream>

#include "unit/observe_fixture.h"

using namespace culvert;

namespace {

// Words in backquotes that open a row of a table: "| `a`, `b` | ...".
std::set<std::string> listed(const std::string &file, const std::string &prefix) {
  std::ifstream in(std::string(CULVERT_DOCS "/") + file);
  REQUIRE(in);
  std::set<std::string> names;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("| `")) continue;
    std::istringstream cell(line.substr(2, line.find('|', 2) - 2));
    for (std::string word; std::getline(cell, word, '`');) {
      if (word.starts_with(prefix) && word.find_first_of(", ") == std::string::npos) {
        names.insert(word);
      }
    }
  }
  names.erase("");
  return names;
}

}  // namespace

TEST_CASE("docs: refusals.md, each reason once and no other") {
  std::set<std::string> reasons;
  for (std::size_t i = 1; i < static_cast<std::size_t>(Refusal::count); ++i) {
    reasons.emplace(name(static_cast<Refusal>(i)));
  }
  CHECK(listed("refusals.md", "") == reasons);
}

TEST_CASE("docs: metrics.md, each metric and no other") {
  std::set<std::string> metrics;
  std::istringstream lines(render_metrics({}));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("# TYPE ")) continue;
    std::string name = line.substr(7);
    metrics.insert(name.substr(0, name.find(' ')));
  }
  std::set<std::string> documented = listed("metrics.md", "culvert_");
  documented.merge(listed("metrics.md", "istio_"));
  CHECK(documented == metrics);
}
