// SPDX-License-Identifier: Apache-2.0
// observe_policies: the admin socket's documents about policies: what there is, and why a
// connection may be made or not. Part of the observe room: values in, text out.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "culvert/address.h"
#include "culvert/identity.h"
#include "culvert/report.h"
#include "culvert/snapshot.h"
#include "culvert/verdict.h"

namespace culvert {

using PolicyHitSums = std::unordered_map<std::string, PolicyHits>;  // by AuthorizationPolicy::key()
PolicyHitSums sum_hits(std::span<const ThreadReport> reports, PolicyHitsByKey ThreadReport::*part);

struct PoliciesInput {  // GET /policies
  const Snapshot &snapshot;
  std::span<const PolicyHits> hits{};  // one each of snapshot.policies; missing: none
  std::span<const std::string> problems{};  // sets not in force: workload, cause, next step
};
std::string policies_json(const PoliciesInput &input);

// GET /explain: may `source` connect to `destination`? Asked of the evaluator, and compared with
// what the maps say.
struct ExplainInput {
  WorkloadPtr source{};  // null: the address is no pod's
  Ip source_address{};
  const SpiffeId *peer = nullptr;  // what the source proves; null: it comes in plaintext
  WorkloadPtr destination{};  // not null
  Endpoint destination_address{};  // port 0: one that no policy names
  std::string_view mode{};  // of that port: "STRICT"; empty: not meshed
  std::optional<verdict_answer> live{};  // `policy` counts in destination->policies
  std::string live_reason{};  // why there is none: "not on this node: …"
};
std::string explain_json(const ExplainInput &input);

// {"error": text}: of a question that cannot be answered
std::string error_json(std::string_view text);

}  // namespace culvert
