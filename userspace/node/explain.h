// SPDX-License-Identifier: Apache-2.0
// Private to node: GET /explain?source=…&destination=…: who is meant, then what observe makes of
// it.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "culvert/control.h"
#include "culvert/snapshot.h"
#include "culvert/verdict.h"

namespace culvert {

// What the maps of this node say. `peer` is empty for plaintext, `to` the workload's own address
// and port. nullopt: the workload's set is not in them.
using LiveVerdict = std::function<std::optional<verdict_answer>(
    const Workload &destination, const SpiffeId &peer, const Ip &client, const Endpoint &to)>;

struct ExplainNode {
  std::string_view name;  // of this node
  LiveVerdict live;  // asked only of meshed workloads of this node; empty: none is known
};

// 400: not a question; 404: about somebody unknown; the body is then {"error": one sentence}.
// `snapshot` null: 503.
Response explain_document(const Query &query, const Snapshot *snapshot, const ExplainNode &node);

}  // namespace culvert
