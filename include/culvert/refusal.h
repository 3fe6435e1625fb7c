// SPDX-License-Identifier: Apache-2.0
// refusal: every reason for which culvert turns a connection away or cuts it off. One list for all
// rooms, so that a counter, a log line and a test can be found for each: the name is the label of
// culvert_refusals_total{direction, reason} and the `error` of the access log. docs/refusals.md
// says for each what a person should look at. Uses nothing of ours.
#pragma once

#include <cstdint>
#include <string_view>

namespace culvert {

// X(enumerator): the name in metrics and logs is the enumerator's own.
#define CULVERT_REFUSALS(X)                                                                \
  X(none)                                                                                  \
  /* steering */                                                                           \
  X(not_captured)         /* reached 15001 without having been steered there */                    \
  X(not_steered)          /* reached 15006 without sk_lookup */                                     \
  X(unknown_destination)  /* captured, but no such workload or service (any more) */        \
  X(no_endpoint)          /* the service has no ready meshed endpoint */                            \
  X(pod_gone)             /* the local pod left the node or the mesh */                                \
  X(policy_pending)       /* the policies are not compiled yet, or the peer has no number yet */ \
  X(policy_denied)        /* the workload's policies do not allow it */                           \
  X(no_identity)          /* no valid SVID for the local pod */                                     \
  /* limits */                                                                             \
  X(connections_max)                                                                       \
  X(handshakes_max)                                                                        \
  X(no_resources)         /* sockets, memory */                                                    \
  X(draining)                                                                              \
  /* towards the peer node */                                                              \
  X(connect_failed)                                                                        \
  X(handshake_timeout)                                                                     \
  X(plaintext)            /* the first bytes are no TLS handshake record */                           \
  X(tls_version)          /* below TLS 1.3 */                                                       \
  X(handshake_failed)     /* any other TLS error */                                            \
  X(handshake_closed)     /* the peer closed or reset during the handshake */                  \
  X(peer_alert)           /* the peer refused us with an alert */                                    \
  X(no_certificate)       /* the client sent none */                                             \
  X(certificate_malformed)                                                                 \
  X(certificate_unknown_authority)                                                         \
  X(certificate_expired)                                                                   \
  X(certificate_not_yet_valid)                                                             \
  X(certificate_no_spiffe_id)                                                              \
  X(certificate_two_uri_names)                                                             \
  X(certificate_invalid_spiffe_id)                                                         \
  X(certificate_leaf_is_ca)                                                                \
  X(certificate_wrong_key_usage)                                                           \
  X(certificate_wrong_extended_key_usage)                                                  \
  X(certificate_weak_key)                                                                  \
  X(certificate_chain_invalid)                                                             \
  X(unknown_trust_domain) /* no bundle for the peer's trust domain */                      \
  X(unexpected_identity)  /* the server is not the workload we dialled */                   \
  /* in the tunnel */                                                                      \
  X(offload_failed)       /* the record engine would not take the keys */                        \
  X(record_invalid)       /* bad tag, bad header, too long */                                    \
  X(key_limit)            /* record limit reached and no KeyUpdate possible */                        \
  X(protocol)             /* irregular control message */                                              \
  X(truncated)            /* FIN without close_notify */                                              \
  X(peer_reset)           /* RST from the peer node */                                               \
  X(peer_silent)          /* the peer node vanished */                                              \
  X(peer_refused)         /* the peer node answered REFUSED */                                     \
  /* towards the application */                                                            \
  X(application_refused)  /* nobody listens */                                              \
  X(application_reset)                                                                     \
  X(application_failed)   /* any other error of its socket */

enum class Refusal : std::uint8_t {
#define CULVERT_REFUSAL_ENUM(refusal) refusal,
  CULVERT_REFUSALS(CULVERT_REFUSAL_ENUM)
#undef CULVERT_REFUSAL_ENUM
      count
};

std::string_view name(Refusal refusal);

}  // namespace culvert
