// SPDX-License-Identifier: Apache-2.0
// SpiffeId::parse against the grammar of SPIFFE-ID.md section 2 written a second time, by splitting
// at every '/': the two must agree on every input.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "culvert/identity.h"

namespace {

std::vector<std::string> split(const std::string &text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == '/') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

// "spiffe://td/a/b" is the parts "spiffe:", "", "td", "a", "b".
bool legal(const std::string &text) {
  const std::vector<std::string> parts = split(text);
  if (text.size() > 2048 || parts.size() < 3 || parts[0] != "spiffe:" || !parts[1].empty()) {
    return false;
  }
  const std::string lower = "abcdefghijklmnopqrstuvwxyz0123456789.-_";
  const std::string any = lower + "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  if (parts[2].size() > 255 || parts[2].find_first_not_of(lower) != std::string::npos) return false;
  return std::all_of(parts.begin() + 2, parts.end(), [&](const std::string &part) {
    const bool domain = &part == &parts[2];  // there a dot alone is a legal, if odd, name
    return !part.empty() && part.find_first_not_of(any) == std::string::npos &&
           (domain || (part != "." && part != ".."));
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  const std::string text(reinterpret_cast<const char *>(data), size);
  const auto id = culvert::SpiffeId::parse(text);
  ENSURE(id.has_value() == legal(text));
  if (id) {
    ENSURE(id->text() == text);
    ENSURE("spiffe://" + std::string(id->trust_domain()) + std::string(id->path()) == text);
  }
  return 0;
}
