// SPDX-License-Identifier: Apache-2.0
// The user-space verdict, on tables compiled from the manifests that the daemons read.
#include <time.h>

#include <cstdio>
#include <random>

#include "culvert/compiled_policy.h"
#include "culvert/source.h"
#include "modes.h"

namespace bench {
namespace {

using culvert::PolicyTable;

constexpr unsigned judgements = 200'000;

struct Subject {
  culvert::IdentityNumbers numbers;
  std::optional<PolicyTable> table;
  PolicyTable::Question named;  // by a policy
  std::vector<PolicyTable::Question> anybody;
  std::vector<double> named_ns, anybody_ns;
};

void prepare(Subject &subject, const std::string &directory, const std::string &pod,
             std::uint16_t port) {
  auto source = culvert::open_directory(
      directory, {.trust_domain = "cluster.local", .root_namespace = "istio-system"});
  if (!source) die(source.error().text);
  const culvert::SnapshotPtr snapshot = (*source)->read();
  const culvert::Workload *judged = nullptr;
  for (const culvert::WorkloadPtr &workload : snapshot->workloads) {
    if (workload->meshed) subject.numbers.add(workload->id);
    if (workload->key() == pod) judged = workload.get();
  }
  if (judged == nullptr || !judged->meshed) die(pod + " is no meshed pod in " + directory);
  auto compiled = culvert::CompiledPolicy::compile(*judged->policies, subject.numbers, judged->ips);
  if (!compiled) die(compiled.error().text);
  if (compiled->identities.empty()) die("the policies of " + pod + " name nobody who is there");
  subject.table.emplace(*compiled);
  const culvert::Ip client = *culvert::Ip::parse("10.77.1.9");
  subject.named = {compiled->identities.front().identity, client, port, false};
  if (subject.table->judge(subject.named).verdict != VERDICT_ALLOW)
    die("the policies do not allow what is asked");
  std::mt19937 random(1);
  std::uniform_int_distribution<std::uint32_t> pick(1, subject.numbers.size());
  for (unsigned i = 0; i < judgements; ++i)
    subject.anybody.push_back({pick(random), client, port, false});
}

template <class Ask>
double mean_ns(const PolicyTable &table, Ask ask) {
  timespec began{}, ended{};
  unsigned allowed = 0;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &began);
  for (unsigned i = 0; i < judgements; ++i)
    allowed += table.judge(ask(i)).verdict == VERDICT_ALLOW ? 1U : 0U;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended);
  if (allowed > judgements) die("more was allowed than asked");  // or nothing need be computed
  return (static_cast<double>(ended.tv_sec - began.tv_sec) * 1e9 +
          static_cast<double>(ended.tv_nsec - began.tv_nsec)) /
         judgements;
}

void print(const char *name, const std::vector<double> &values) {
  std::printf("\"%s\": [", name);
  for (std::size_t i = 0; i < values.size(); ++i)
    std::printf("%s%.2f", i == 0 ? "" : ", ", values[i]);
  std::printf("]");
}

}  // namespace

void measure_tables(const std::vector<std::string> &directories, const std::string &pod,
                    std::uint16_t port, unsigned rounds) {
  std::vector<Subject> subjects(directories.size());
  for (std::size_t i = 0; i < subjects.size(); ++i)
    prepare(subjects[i], directories[i], pod, port);
  for (unsigned round = 0; round < rounds; ++round) {
    for (Subject &subject : subjects) {
      // The first run warms what the others have pushed out of the caches.
      const auto same = [&](unsigned) -> const auto & { return subject.named; };
      mean_ns(*subject.table, same);
      subject.named_ns.push_back(mean_ns(*subject.table, same));
      subject.anybody_ns.push_back(
          mean_ns(*subject.table, [&](unsigned i) -> const auto & { return subject.anybody[i]; }));
    }
  }
  std::printf("[");
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    std::printf("%s{", i == 0 ? "" : ", ");
    print("named_ns", subjects[i].named_ns);
    std::printf(", ");
    print("anybody_ns", subjects[i].anybody_ns);
    std::printf("}");
  }
  std::printf("]\n");
}

}  // namespace bench
