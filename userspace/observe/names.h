// SPDX-License-Identifier: Apache-2.0
// names: words that the access log, the metrics and the admin documents share.
#pragma once

#include <string>
#include <string_view>

#include "culvert/report.h"
#include "culvert/snapshot.h"

namespace culvert {

inline constexpr std::string_view tls_version = "TLSv1.3";  // the only one there is here

std::string_view name(Direction direction);     // "inbound", "outbound"
std::string_view name(RecordEngine engine);     // "kernel", "userspace"
std::string service_host(const ServicePort &service);  // "web.shop.svc.cluster.local"

// Identities as TLS proved them, from the applications' point of view; empty: not proven.
struct Identities {
  std::string_view source, destination;
};
Identities identities(const ConnectionRecord &record);

// True where the applications made the end: no more than a fact about them.
bool ended_by_applications(Refusal refusal);
// True where the connection had been allowed and had reached the application.
bool was_allowed(const ConnectionRecord &record);
// Istio's response_flags, in ztunnel's words: "-", "CONNECT", "TLS_FAILURE", "IDENTITY_ERROR",
// "DENY".
std::string_view response_flags(Refusal refusal);

}  // namespace culvert
