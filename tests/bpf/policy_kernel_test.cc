// SPDX-License-Identifier: Apache-2.0
// A million random connections asked of the kernel: compiled, written to the maps as the node does
// it, and looked up by bpf/verdict_probe, which must say what the evaluator says. So must the same
// tables in user space, and so all three agree.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "capture_world.h"
#include "node/policy_contents.h"
#include "policy_compiled.h"
#include "policy_seed.h"
#include "scale.h"

namespace {

using namespace culvert;

constexpr std::uint64_t fixed_seed = 4;
constexpr std::uint64_t cases_per_seed = 10'000;
constexpr int questions_per_case = 100;

verdict_question in_numbers(const PolicyCase &c, std::uint32_t set,
                            const PolicyQuestion &question) {
  const PolicySubject asked = subject(c, question);
  verdict_question out{.set = set,
                       .identity = CompiledCase::number(question),
                       .client = {},
                       .port = asked.destination.port,
                       .is_v6 = static_cast<__u16>(asked.destination.ip.is_v4() ? 0 : 1)};
  std::ranges::copy(asked.client.bytes, out.client);
  return out;
}

class Kernel {
 public:
  explicit Kernel(PolicyMaps &maps) : maps_(maps) {}
  ~Kernel() { maps_.remove_sets(added_); }

  std::uint32_t add(const CompiledCase &compiled) {
    if (added_.size() == 100) {  // together: the maps' grace period is long
      maps_.remove_sets(added_);
      added_.clear();
    }
    const std::uint32_t set = maps_.new_set();
    const auto added = maps_.add_set(set, contents_of(compiled.policy()));
    if (!added) FAIL(added.error().text);
    for (const auto &[identity, number] : compiled.learnt()) {
      const auto learnt = maps_.add_identity(set, identity, number);
      if (!learnt) FAIL(learnt.error().text);
    }
    added_.push_back(set);
    return set;
  }

  // "" if it says what it should.
  std::string compare(const verdict_question &question, const verdict_answer &should) const {
    const auto answer = maps_.verdict(question);
    if (!answer) return describe(answer.error());
    if (same(*answer, should)) return "";
    return "kernel: " + text(*answer) + "; evaluate: " + text(should);
  }

 private:
  PolicyMaps &maps_;
  std::vector<std::uint32_t> added_;
};

void run_case(Kernel &kernel, std::uint64_t seed, std::uint64_t number) {
  PolicyGenerator generator(seed, number);
  const PolicyCase c = generator.next_case();
  const auto compiled = CompiledCase::create(c);
  if (!compiled) FAIL("seed " << seed << " case " << number << ": " << compiled.error().text);
  const std::uint32_t set = kernel.add(*compiled);
  for (int i = 0; i < questions_per_case; ++i) {
    const PolicyQuestion question = generator.next_question(c);
    const auto should = expected(c.set, evaluate(c.set, subject(c, question)));
    std::string what = kernel.compare(in_numbers(c, set, question), should);
    if (what.empty()) what = compiled->compare(question, should);
    if (!what.empty()) {
      FAIL("seed " << seed << " case " << number << ": " << what << "\n" << text(c, question));
    }
  }
}

void run(std::uint64_t seed) {
  test::World world;
  const auto capture = world.capture();
  Kernel kernel(capture->policies());
  for (std::uint64_t number = 0; number < scaled(cases_per_seed); ++number)
    run_case(kernel, seed, number);
}

TEST_CASE("policy property: a fixed seed, evaluator, lookup and kernel agree") {
  run(fixed_seed);
  STATIC_REQUIRE(cases_per_seed * questions_per_case >= 1'000'000);
}

TEST_CASE("policy property: a fresh seed, evaluator, lookup and kernel agree") {
  run(fresh_policy_seed());
}

}  // namespace
