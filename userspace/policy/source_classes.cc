// SPDX-License-Identifier: Apache-2.0
#include "source_classes.h"

#include <algorithm>

namespace culvert {
namespace {

constexpr std::uint8_t bits_max = 128;
constexpr Cidr all_v4{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}}, 96};

// The first `bits` of `ip`, the rest zero.
Ip first_bits(Ip ip, std::uint8_t bits) {
  for (std::size_t i = 0; i < ip.bytes.size(); ++i) {
    const std::size_t kept = std::min<std::size_t>(8, bits - std::min<std::size_t>(bits, i * 8));
    ip.bytes[i] &= static_cast<std::uint8_t>(0xff00 >> kept);
  }
  return ip;
}

Cidr canonical(const Cidr &block) {
  const std::uint8_t bits = std::min(block.bits, bits_max);
  return {first_bits(block.base, bits), bits};
}

bool is_v4(const Cidr &block) { return block.bits >= all_v4.bits && block.base.is_v4(); }

bool covers(const Cidr &outer, const Cidr &inner) {
  return outer.bits <= inner.bits && first_bits(inner.base, outer.bits) == outer.base;
}

}  // namespace

bool is_in(const Cidr &block, const Ip &ip) {
  const Cidr outer = canonical(block), inner{ip, bits_max};
  return covers(outer, inner) && is_v4(outer) == is_v4(inner);
}

Atom SourceClasses::atom(const Cidr &block) {
  const Cidr key = canonical(block);
  const auto next = static_cast<Atom>(atoms_.size());
  return atoms_.emplace(Key(key.base, key.bits), next).first->second;
}

bool SourceClasses::number(Work &work, std::vector<CompiledPolicy::SourceClass> &out) {
  struct Node {
    Cidr prefix;
    std::optional<Atom> atom;
    std::uint32_t number;
  };
  predicates.seal();
  std::vector<std::uint32_t> signature;
  classes_.add(signature);
  std::map<Key, std::optional<Atom>> nodes(atoms_.begin(), atoms_.end());
  // Where a block that is cut out of the IPv6 blocks around it begins.
  if (!atoms_.empty()) nodes.try_emplace(Key(all_v4.base, all_v4.bits));

  std::vector<Node> path;  // from the outermost block to here
  std::vector<Atom> atoms;
  for (const auto &[key, atom] : nodes) {
    const Cidr prefix{key.first, key.second};
    while (!path.empty() && !covers(path.back().prefix, prefix))
      path.pop_back();
    const std::uint32_t outside = path.empty() ? 0 : path.back().number;
    path.push_back({prefix, atom, 0});
    atoms.clear();
    for (const Node &node : path) {
      if (node.atom && is_v4(node.prefix) == is_v4(prefix)) atoms.push_back(*node.atom);
    }
    std::ranges::sort(atoms);
    if (!work.spend(path.size() + predicates.signature(atoms, signature))) return false;
    path.back().number = classes_.add(signature).first;
    if (path.back().number != outside) out.push_back({prefix, path.back().number});
  }
  return true;
}

}  // namespace culvert
