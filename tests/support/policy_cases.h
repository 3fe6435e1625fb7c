// SPDX-License-Identifier: Apache-2.0
// Random policy sets and connections, of alphabets so small that much matches. One seed and one
// number make one case, here and on every other machine; so do the bytes of a fuzzer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "culvert/address.h"
#include "culvert/evaluator.h"
#include "culvert/identity.h"
#include "culvert/policy_set.h"

namespace culvert {

// A workload, what selects it, and whom and what to ask about. Every list fits 64 bits.
struct PolicyCase {
  PolicySet set;
  std::vector<SpiffeId> identities;    // known on the node: what a compiler is given
  std::vector<SpiffeId> strangers;     // others that may come all the same
  std::vector<Ip> addresses;           // the workload's own: an IPv4, an IPv6 or one of each
  std::vector<Ip> clients;             // addresses of clients
  std::vector<Endpoint> destinations;  // the workload's addresses and ports; no port is 0
};

// A connection, by index.
struct PolicyQuestion {
  std::size_t peer = 0;  // 0: plaintext; 1 and on: identities, then strangers
  std::size_t client = 0;
  std::size_t destination = 0;
  bool is_stranger(const PolicyCase &c) const { return peer > c.identities.size(); }
};
const SpiffeId *peer(const PolicyCase &c, std::size_t index);  // null: plaintext
PolicySubject subject(const PolicyCase &c, const PolicyQuestion &question);

// splitmix64, since the standard's distributions differ between libraries; or a byte a draw, and 0
// behind the last.
class PolicyRandom {
 public:
  explicit PolicyRandom(std::uint64_t state) : state_(state) {}
  explicit PolicyRandom(std::span<const std::uint8_t> bytes) : given_(true), bytes_(bytes) {}
  std::uint64_t next();
  std::size_t below(std::size_t end) { return static_cast<std::size_t>(next() % end); }
  bool percent(unsigned chance) { return below(100) < chance; }
  std::size_t weighted(std::span<const unsigned> weights);  // an index
  template <class T>
  const T &pick(const std::vector<T> &values) {
    return values[below(values.size())];
  }

 private:
  std::uint64_t state_ = 0;
  bool given_ = false;
  std::span<const std::uint8_t> bytes_;
};

// The policies of a case: 0 to 6 with 0 to 4 rules, all actions, forms and attributes, negations,
// dry-run, rules that can match nothing; texts that are empty, and ports 0, which only a policy
// could name.
class PolicyGenerator {
 public:
  PolicyGenerator(std::uint64_t seed, std::uint64_t number);
  explicit PolicyGenerator(std::span<const std::uint8_t> bytes) : random_(bytes) {}
  PolicyCase next_case();
  PolicyQuestion next_question(const PolicyCase &c);

 private:
  void fill_connections(PolicyCase &c);
  AuthorizationPolicy policy(const PolicyCase &c, std::size_t number);
  PolicyRule rule(const PolicyCase &c, std::size_t number);
  std::vector<Conjunction> alternatives(const PolicyCase &c, std::span<const Attribute> attributes);
  Conjunction conjunction(const PolicyCase &c, std::span<const Attribute> attributes,
                          std::span<const unsigned> weights);
  Condition condition(const PolicyCase &c, Attribute attribute);
  std::string name(const PolicyCase &c, Attribute attribute);
  StringMatch string_match(const PolicyCase &c, Attribute attribute);
  Cidr cidr(const PolicyCase &c, Attribute attribute);

  PolicyRandom random_;
};

// For the report of a failure: who asks what of whom; the whole set, a rule a line; and what the
// evaluator makes of each policy.
std::string text(const PolicyCase &c, const PolicyQuestion &question);
std::string text(const PolicySet &set);

}  // namespace culvert
