// SPDX-License-Identifier: Apache-2.0
#include "reason.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <string_view>

namespace culvert {
namespace {

Refusal refusal_of(int reason) {
  switch (reason) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_UNKNOWN_SSL_VERSION:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:  // the peer's way to say the same
      return Refusal::tls_version;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return Refusal::no_certificate;
    case SSL_R_CANNOT_PARSE_LEAF_CERT:
    case SSL_R_CERT_LENGTH_MISMATCH:
      return Refusal::certificate_malformed;
    case SSL_R_KEY_USAGE_BIT_INCORRECT:
      return Refusal::certificate_wrong_key_usage;
    case SSL_R_SSLV3_ALERT_CLOSE_NOTIFY:
      return Refusal::handshake_closed;
    default:
      return reason >= SSL_AD_REASON_OFFSET ? Refusal::peer_alert : Refusal::handshake_failed;
  }
}

}  // namespace

Reason take_reason() {
  // The first error of libssl is the cause; what follows is what the callers of the failed
  // function thought of it, and what precedes are other libraries' words for the detail.
  Reason out{Refusal::handshake_failed, ""};
  bool found = false;
  while (const std::uint32_t error = ERR_get_error()) {
    const char *known = ERR_reason_error_string(error);
    const std::string_view text = known != nullptr ? known : "unknown error";
    if (!out.detail.ends_with(text)) {
      if (!out.detail.empty()) out.detail += ", ";
      out.detail += text;
    }
    if (found || ERR_GET_LIB(error) != ERR_LIB_SSL) continue;
    found = true;
    const int reason = ERR_GET_REASON(error);
    out.refusal = refusal_of(reason);
    if (reason >= SSL_AD_REASON_OFFSET) {
      out.detail = std::string("the peer's alert: ") +
                   SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET);
    }
  }
  if (out.detail.empty()) out.detail = "the TLS library gives no reason";
  return out;
}

}  // namespace culvert
