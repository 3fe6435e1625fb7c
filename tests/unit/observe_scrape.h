// SPDX-License-Identifier: Apache-2.0
// observe_scrape: metrics as a scraper reads them.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <initializer_list>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "unit/observe_fixture.h"

namespace observe_fixture {

// A reader of the text format as strict as a scraper: each sample by "name{labels}".
struct Scrape {
  std::map<std::string, double> samples;
  std::map<std::string, std::string> types;

  explicit Scrape(const std::string &text) {
    static const std::regex sample(R"re(([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})? (\S+))re");
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      INFO(line);
      if (line.starts_with("# HELP ")) continue;
      if (line.starts_with("# TYPE ")) {
        std::istringstream words(line.substr(7));
        std::string name, type;
        words >> name >> type;
        REQUIRE(types.emplace(name, type).second);
        continue;
      }
      std::smatch parts;
      REQUIRE(std::regex_match(line, parts, sample));
      auto key = parts[1].str() + parts[2].str();
      REQUIRE(samples.emplace(key, std::strtod(parts[3].str().c_str(), nullptr)).second);
    }
  }
  double operator[](const std::string &key) const {
    INFO(key);
    auto found = samples.find(key);
    REQUIRE(found != samples.end());
    return found->second;
  }
  // The only sample of `name` whose labels hold all of `parts`.
  double find(const std::string &name, std::initializer_list<std::string> parts) const {
    std::vector<double> found;
    for (const auto &[key, value] : samples) {
      bool matches = key.starts_with(name + "{");
      for (const std::string &part : parts)
        matches &= key.find(part) != std::string::npos;
      if (matches) found.push_back(value);
    }
    INFO(name);
    REQUIRE(found.size() == 1);
    return found.front();
  }
};

inline MetricsInput empty() {
  MetricsInput input;
  input.version = "0.1.0";
  input.node = "node-a";
  input.now = observe_fixture::noon;
  return input;
}

}  // namespace observe_fixture
