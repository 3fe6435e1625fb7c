// SPDX-License-Identifier: Apache-2.0
#include "policy_contents.h"

#include <algorithm>

namespace culvert {

PolicyMapContents contents_of(const CompiledPolicy &compiled) {
  PolicyMapContents contents;
  contents.entry = compiled.entry;
  contents.identities.reserve(compiled.identities.size());
  contents.sources.reserve(compiled.sources.size());
  contents.ports.reserve(compiled.ports.size());
  contents.cells.reserve(compiled.cells.size());
  for (const auto &[identity, number] : compiled.identities) {
    contents.identities.push_back({{.set = 0, .identity = identity}, {number}});
  }
  for (const auto &[prefix, number] : compiled.sources) {
    policy_source_key key{.prefix_bits = 32U + prefix.bits, .set = 0, .ip = {}};
    std::ranges::copy(prefix.base.bytes, key.ip);
    contents.sources.push_back({key, {number}});
  }
  for (const auto &[port, is_v6, number] : compiled.ports) {
    const auto family = static_cast<std::uint16_t>(is_v6 ? 1 : 0);
    contents.ports.push_back({{.set = 0, .port = port, .is_v6 = family}, {number}});
  }
  for (const auto &cell : compiled.cells) {
    contents.cells.push_back(
        {{.set = 0, .identity = cell.identity, .source = cell.source, .port = cell.port},
         cell.says});
  }
  return contents;
}

}  // namespace culvert
