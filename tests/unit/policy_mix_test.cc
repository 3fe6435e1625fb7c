// SPDX-License-Identifier: Apache-2.0
// What the random cases are worth: everything that may decide does, and often.
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <string>

#include "policy_boxes.h"

namespace {

using namespace culvert;

constexpr std::uint64_t seed = 7;
using Counts = std::map<std::string, int>;

const char *word(PolicyAction action) {
  constexpr const char *words[] = {"CUSTOM", "DENY", "ALLOW", "AUDIT"};
  return words[static_cast<std::size_t>(action)];
}

std::string reason(const PolicyDecision &decision) {
  if (decision.policy == nullptr) return "no ALLOW policy";
  if (decision.rule == nullptr) return "no ALLOW policy matches";
  return word(decision.policy->action);
}

void count_question(Counts &counts, const PolicyCase &c, const PolicyQuestion &question) {
  const PolicySubject asked = subject(c, question);
  const PolicyDecision decision = evaluate(c.set, asked);
  const std::string verdict = decision.allowed ? "allowed " : "denied ";
  const char *who = asked.peer == nullptr     ? "plaintext"
                    : question.is_stranger(c) ? "a stranger"
                                              : "a known identity";
  ++counts[verdict + "by " + reason(decision)];
  ++counts[verdict + who];
  ++counts[verdict + "client of " + (asked.client.is_v4() ? "IPv4" : "IPv6")];
  ++counts[verdict + "workload of " + (asked.destination.ip.is_v4() ? "IPv4" : "IPv6")];
  if (evaluate_with_dry_run(c.set, asked).allowed != decision.allowed) {
    ++counts[verdict + "but for dry-run"];
  }
  for (const PolicyStep &step : explain(c.set, asked)) {
    const std::string name = word(step.policy->action);
    if (step.matches && !step.decides) ++counts[name + " matches and decides nothing"];
    if (step.rule == nullptr) ++counts[name + " without rules"];
    if (!step.matches && step.failed == nullptr && step.rule != nullptr) {
      ++counts[name + " matches but for never"];
    }
    if (step.matches && step.rule != step.policy->rules.data()) ++counts["a later rule matches"];
  }
}

TEST_CASE("policy cases: every verdict and every reason for it, often") {
  Counts counts;
  constexpr int cases = 1000, questions = 100, least = cases * questions / 400;
  for (std::uint64_t number = 0; number < cases; ++number) {
    PolicyGenerator generator(seed, number);
    const PolicyCase c = generator.next_case();
    for (int i = 0; i < questions; ++i)
      count_question(counts, c, generator.next_question(c));
  }
  const std::vector<std::string> names{"allowed by no ALLOW policy",
                                       "allowed by ALLOW",
                                       "denied by no ALLOW policy matches",
                                       "denied by CUSTOM",
                                       "denied by DENY",
                                       "allowed plaintext",
                                       "denied plaintext",
                                       "allowed a stranger",
                                       "denied a stranger",
                                       "allowed a known identity",
                                       "denied a known identity",
                                       "allowed client of IPv4",
                                       "denied client of IPv4",
                                       "allowed client of IPv6",
                                       "denied client of IPv6",
                                       "allowed workload of IPv4",
                                       "denied workload of IPv4",
                                       "allowed workload of IPv6",
                                       "denied workload of IPv6",
                                       "allowed but for dry-run",
                                       "denied but for dry-run",
                                       "a later rule matches",
                                       "AUDIT matches and decides nothing",
                                       "DENY matches and decides nothing",
                                       "ALLOW matches and decides nothing",
                                       "CUSTOM matches and decides nothing",
                                       "CUSTOM without rules",
                                       "DENY without rules",
                                       "ALLOW without rules",
                                       "CUSTOM matches but for never",
                                       "DENY matches but for never",
                                       "ALLOW matches but for never"};
  for (const std::string &name : names) {
    INFO(name);
    CHECK(counts[name] >= least);
  }
}

std::string kind(const Condition &condition, std::size_t value) {
  constexpr const char *forms[] = {"exact", "prefix", "suffix", "present"};
  if (!condition.strings.empty()) {
    return forms[static_cast<std::size_t>(condition.strings[value].form)];
  }
  if (condition.cidrs.empty()) return "port";
  const Cidr &cidr = condition.cidrs[value];
  const bool is_v4 = cidr.base.is_v4() && cidr.bits >= 96;
  if (cidr.bits == 128) return is_v4 ? "IPv4 /32" : "IPv6 /128";
  return is_v4 ? "IPv4 range" : "IPv6 range";
}

std::size_t size(const Condition &condition) {
  return condition.strings.size() + condition.cidrs.size() + condition.ports.size();
}

void drop(Condition &condition, std::size_t value) {
  const auto at = static_cast<std::ptrdiff_t>(value);
  if (!condition.strings.empty())
    condition.strings.erase(condition.strings.begin() + at);
  else if (!condition.cidrs.empty())
    condition.cidrs.erase(condition.cidrs.begin() + at);
  else
    condition.ports.erase(condition.ports.begin() + at);
}

// A value decides if without it the verdict would be the other.
class Deciding {
 public:
  explicit Deciding(Counts &counts) : counts_(counts) {}

  void count(const PolicyCase &original, const std::vector<PolicyQuestion> &questions) {
    PolicyCase c = original;
    for (PolicyPtr &policy : c.set.policies) {
      const auto changed = std::make_shared<AuthorizationPolicy>(*policy);
      policy = changed;
      for (PolicyRule &rule : changed->rules) {
        for (auto *part : {&rule.from, &rule.to}) {
          for (Conjunction &conjunction : *part) {
            count(conjunction, part == &rule.from ? "from" : "to", original, c, questions);
          }
        }
        count(rule.when, "when", original, c, questions);
      }
    }
  }

 private:
  void count(Conjunction &conjunction, const std::string &part, const PolicyCase &original,
             const PolicyCase &changed, const std::vector<PolicyQuestion> &questions) {
    for (Condition &condition : conjunction) {
      const Condition whole = condition;
      for (std::size_t value = 0; value < size(whole); ++value) {
        drop(condition, value);
        for (const PolicyQuestion &question : questions) {
          if (evaluate(original.set, subject(original, question)).allowed !=
              evaluate(changed.set, subject(changed, question)).allowed) {
            const std::string sign = whole.negated ? "not " : "";
            ++counts_[part];
            ++counts_[sign + std::to_string(static_cast<int>(whole.attribute))];
            ++counts_[sign + kind(whole, value)];
          }
        }
        condition = whole;
      }
    }
  }
  Counts &counts_;
};

TEST_CASE("policy cases: every attribute and form decides, as it is and negated") {
  Counts counts;
  Deciding deciding(counts);
  for (std::uint64_t number = 0; number < 1500; ++number) {
    PolicyGenerator generator(seed + 1, number);
    const PolicyCase c = generator.next_case();
    std::vector<PolicyQuestion> questions;
    for (int i = 0; i < 20; ++i)
      questions.push_back(generator.next_question(c));
    deciding.count(c, questions);
  }
  for (const std::string sign : {"", "not "}) {
    for (const char *name :
         {"exact", "prefix", "suffix", "present", "IPv4 /32", "IPv6 /128", "IPv4 range",
          "IPv6 range", "port", "0", "1", "2", "3", "4", "5", "6"}) {
      INFO(sign + name);
      CHECK(counts[sign + name] >= 50);
    }
  }
  for (const char *part : {"from", "to", "when"}) {
    INFO(part);
    CHECK(counts[part] >= 500);
  }
}

}  // namespace
