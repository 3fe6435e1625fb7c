// SPDX-License-Identifier: Apache-2.0
// yaml: no text, whatever it holds, breaks the parser's bounds or its own promises about the tree.
#include <cstdint>
#include <string_view>

#include "culvert/result.h"
#include "culvert/yaml.h"

using namespace culvert;

namespace {

constexpr YamlLimits limits{
    .size_bytes = 1 << 16, .nodes_max = 2000, .scalars_bytes = 1 << 16, .depth_max = 32};

// Walks the tree as its readers do, and counts what it holds.
std::size_t visit(const YamlNode &node, unsigned depth) {
  ENSURE(depth <= limits.depth_max);
  ENSURE(node.line() >= 0);
  ENSURE(!node.describe().empty());
  if (node.as_string()) ENSURE(node.kind() == YamlNode::Kind::scalar);
  if (auto number = node.as_integer(-5, 70000)) ENSURE(*number >= -5 && *number <= 70000);
  std::size_t count = 1;
  for (const auto &child : node.children()) {
    if (node.is_map()) ENSURE(node.find(child->key()) == child.get());
    count += visit(*child, depth + 1);
  }
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char *>(data), size);
  const auto parsed = parse_yaml(
      text, limits, [](const YamlNode &root) { ENSURE(visit(root, 1) <= limits.nodes_max); });
  if (!parsed) ENSURE(!parsed.error().text.empty());
  return 0;
}
