// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "unit/observe_scrape.h"

using namespace culvert;
using observe_fixture::empty, observe_fixture::Scrape;

namespace {

PolicyPtr policy(const std::string &name, bool dry_run = false,
                 PolicyAction action = PolicyAction::allow) {
  AuthorizationPolicy made;
  made.ns = "shop";
  made.name = name;
  made.dry_run = dry_run;
  made.action = action;
  return std::make_shared<const AuthorizationPolicy>(made);
}

std::string series(const std::string &metric, const std::string &name, const std::string &verdict) {
  return metric + "{namespace=\"shop\",policy=\"" + name + "\",verdict=\"" + verdict + "\"}";
}
std::string decided(const std::string &name, const std::string &verdict) {
  return series("culvert_policy_verdicts_total", name, verdict);
}
std::string would(const std::string &name, const std::string &verdict) {
  return series("culvert_policy_dry_run_total", name, verdict);
}

}  // namespace

TEST_CASE("metrics: a policy that is gone or decides nothing, no series of verdicts") {
  ThreadReport report;
  report.policies = {{"shop/gone", {1, 1}}};
  report.dry_run = {{"shop/gone", {1, 1}}};
  const std::array policies{policy("dry", true), policy("audit", false, PolicyAction::audit)};
  MetricsInput input = empty();
  input.reports = std::span(&report, 1);
  input.policies = policies;
  const Scrape scrape(render_metrics(input));
  CHECK(scrape.samples.contains(would("dry", "denied")));
  for (const auto &[key, value] : scrape.samples) {
    INFO(key);
    CHECK_FALSE(key.starts_with("culvert_policy_verdicts_total"));
    CHECK(key.find("policy=\"gone\"") == std::string::npos);
  }
}

TEST_CASE("metrics: verdicts of two threads, one series a policy and verdict, from the start") {
  std::array<ThreadReport, 2> reports;
  reports[0].policies = {{"shop/web", {3, 2}}};
  reports[1].policies = {{"shop/web", {4, 0}}};
  reports[1].dry_run = {{"shop/dry", {0, 5}}};
  const std::array policies{policy("web"), policy("quiet"), policy("dry", true), policy("web")};
  MetricsInput input = empty();
  input.reports = reports;
  input.policies = policies;
  Scrape scrape(render_metrics(input));
  CHECK(scrape.types["culvert_policy_verdicts_total"] == "counter");
  CHECK(scrape.types["culvert_policy_dry_run_total"] == "counter");
  CHECK(scrape[decided("web", "allowed")] == 7);
  CHECK(scrape[decided("web", "denied")] == 2);
  CHECK(scrape[decided("quiet", "allowed")] == 0);
  CHECK(scrape[would("dry", "denied")] == 5);
  CHECK(scrape[would("dry", "allowed")] == 0);
  CHECK_FALSE(scrape.samples.contains(would("web", "denied")));
}

TEST_CASE("access log: a dry-run policy would have decided the other way, it is named") {
  ConnectionRecord record = observe_fixture::inbound();
  CHECK(observe_fixture::text(AccessLog::fields(record)).find("dry_run") == std::string::npos);
  record.dry_run = policy("dry", true);
  CHECK(AccessLog::level(record) == LogLevel::info);
  CHECK(observe_fixture::text(AccessLog::fields(record))
            .find(" verdict=allowed dry_run=denied dry_run_policy=shop/dry ") != std::string::npos);
  record.refusal = Refusal::policy_denied;
  record.established = false;
  record.dry_run_allows = true;
  CHECK(observe_fixture::text(AccessLog::fields(record))
            .find(" verdict=refused dry_run=allowed dry_run_policy=shop/dry ") !=
        std::string::npos);
}
