// SPDX-License-Identifier: Apache-2.0
#include "names.h"

namespace culvert {

std::string_view name(Direction direction) {
  return direction == Direction::inbound ? "inbound" : "outbound";
}

std::string_view name(RecordEngine engine) {
  return engine == RecordEngine::kernel ? "kernel" : "userspace";
}

std::string service_host(const ServicePort &service) {
  return service.service + "." + service.ns + ".svc.cluster.local";
}

Identities identities(const ConnectionRecord &record) {
  if (record.tunnel == nullptr) return {};
  std::string_view local = record.tunnel->local.text(), peer = record.tunnel->peer.text();
  if (record.direction == Direction::outbound) return {.source = local, .destination = peer};
  return {.source = peer, .destination = local};
}

bool ended_by_applications(Refusal refusal) {
  return refusal == Refusal::none || refusal == Refusal::application_reset ||
         refusal == Refusal::peer_reset;
}

bool was_allowed(const ConnectionRecord &record) {
  return record.refusal == Refusal::none || record.established;
}

std::string_view response_flags(Refusal refusal) {
  switch (refusal) {
    case Refusal::none:
      return "-";
    case Refusal::policy_pending:
    case Refusal::policy_denied:
    case Refusal::peer_refused:
    case Refusal::plaintext:
    case Refusal::not_captured:
    case Refusal::not_steered:
      return "DENY";
    case Refusal::no_identity:
    case Refusal::no_certificate:
    case Refusal::certificate_malformed:
    case Refusal::certificate_unknown_authority:
    case Refusal::certificate_expired:
    case Refusal::certificate_not_yet_valid:
    case Refusal::certificate_no_spiffe_id:
    case Refusal::certificate_two_uri_names:
    case Refusal::certificate_invalid_spiffe_id:
    case Refusal::certificate_leaf_is_ca:
    case Refusal::certificate_wrong_key_usage:
    case Refusal::certificate_wrong_extended_key_usage:
    case Refusal::certificate_weak_key:
    case Refusal::certificate_chain_invalid:
    case Refusal::unknown_trust_domain:
    case Refusal::unexpected_identity:
      return "IDENTITY_ERROR";
    case Refusal::handshake_timeout:
    case Refusal::tls_version:
    case Refusal::handshake_failed:
    case Refusal::handshake_closed:
    case Refusal::peer_alert:
    case Refusal::offload_failed:
    case Refusal::record_invalid:
    case Refusal::key_limit:
    case Refusal::protocol:
    case Refusal::truncated:
      return "TLS_FAILURE";
    default:
      return "CONNECT";
  }
}

}  // namespace culvert
