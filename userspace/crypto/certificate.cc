// SPDX-License-Identifier: Apache-2.0
// One X.509 certificate: parsing, and what it says.
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>

#include "culvert/crypto.h"
#include "native.h"

namespace culvert {
namespace {

// Larger than any honest certificate; RSA-16384 with a hundred names is 12 KiB.
constexpr std::size_t der_size_max = 64 * 1024;

std::string text_of(const X509_NAME *name) {
  const auto out = native::writer();
  ENSURE(X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253) >= 0);
  return native::written(out);
}

// Time counts nanoseconds in 64 bits, which end in 2262, and "no end" is written as the year 9999:
// times are held between 1970 and 2223, so that sums and differences of them do not overflow.
constexpr std::int64_t posix_max = 8'000'000'000;

// from_der() let nothing in whose times cannot be read.
Time time_of(const ASN1_TIME *time) {
  std::int64_t posix = 0;
  ENSURE(ASN1_TIME_to_posix(time, &posix));
  return Time(std::chrono::seconds(std::clamp(posix, std::int64_t{0}, posix_max)));
}

bool times_readable(const X509 *certificate) {
  std::int64_t begin = 0, end = 0;
  return ASN1_TIME_to_posix(X509_get0_notBefore(certificate), &begin) &&
         ASN1_TIME_to_posix(X509_get0_notAfter(certificate), &end);
}

}  // namespace

Result<Certificate> Certificate::from_der(std::span<const std::uint8_t> der) {
  if (der.size() > der_size_max) {
    return fail({"certificate larger than 64 KiB", 0, ErrorSource::x509});
  }
  const std::uint8_t *at = der.data();
  Certificate out;
  out.certificate_.reset(d2i_X509(nullptr, &at, static_cast<long>(der.size())), X509_free);
  if (!out.certificate_) return native::failure("certificate does not parse");
  if (at != der.data() + der.size()) {
    return fail({"bytes behind the certificate", 0, ErrorSource::x509});
  }
  // libcrypto decodes extensions when first asked and remembers that they were bad: ask now.
  if (X509_get_extension_flags(out.native()) & EXFLAG_INVALID || !times_readable(out.native())) {
    return native::failure("certificate with an extension or a time that does not parse");
  }
  out.der_ = std::make_shared<const Bytes>(der.begin(), der.end());
  return out;
}

Result<std::vector<Certificate>> Certificate::from_pem(std::string_view pem) {
  const auto in = native::reader(pem);
  if (!in) return native::failure("out of memory");
  std::vector<Certificate> out;
  while (true) {
    char *label = nullptr, *header = nullptr;
    std::uint8_t *data = nullptr;
    long size = 0;
    if (!PEM_read_bio(in.get(), &label, &header, &data, &size)) {
      // The queue says "no start line" at the end of the text; anything else is a broken block.
      const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
      auto failed = native::failure(ended ? "no certificate in PEM" : "PEM block does not parse");
      if (ended && !out.empty()) return out;
      return failed;
    }
    const bssl::UniquePtr<char> free_label(label), free_header(header);
    const bssl::UniquePtr<std::uint8_t> free_data(data);
    if (std::string_view(label) != PEM_STRING_X509) continue;
    out.push_back(TRY(from_der({data, static_cast<std::size_t>(size)})));
  }
}

std::string Certificate::pem() const {
  const auto out = native::writer();
  ENSURE(PEM_write_bio_X509(out.get(), native()));
  return native::written(out);
}

Time Certificate::not_before() const { return time_of(X509_get0_notBefore(native())); }
Time Certificate::not_after() const { return time_of(X509_get0_notAfter(native())); }
std::string Certificate::subject() const { return text_of(X509_get_subject_name(native())); }
std::string Certificate::issuer() const { return text_of(X509_get_issuer_name(native())); }

std::string Certificate::serial() const {
  const ASN1_INTEGER *serial = X509_get0_serialNumber(native());
  return hex({ASN1_STRING_get0_data(serial), static_cast<std::size_t>(ASN1_STRING_length(serial))});
}

bool Certificate::is_ca() const { return X509_get_extension_flags(native()) & EXFLAG_CA; }

bool Certificate::matches(const PrivateKey &key) const {
  const bool same = X509_check_private_key(native(), key.native()) == 1;
  if (!same) ERR_clear_error();
  return same;
}

std::vector<std::string> Certificate::uri_names() const {
  const bssl::UniquePtr<GENERAL_NAMES> names(static_cast<GENERAL_NAMES *>(
      X509_get_ext_d2i(native(), NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> out;
  for (std::size_t i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
    out.emplace_back(reinterpret_cast<const char *>(ASN1_STRING_get0_data(uri)),
                     static_cast<std::size_t>(ASN1_STRING_length(uri)));
  }
  return out;
}

}  // namespace culvert
