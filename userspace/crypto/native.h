// SPDX-License-Identifier: Apache-2.0
// native: what the files of this room share of libcrypto.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "culvert/result.h"

namespace culvert::native {

// libcrypto keeps its errors in a queue per thread, and libssl reads the same queue: whoever fails
// here takes the reason and leaves the queue empty, so that no later TLS call reports our failure.
inline Failure failure(const char *what) {
  const auto reason = static_cast<std::int32_t>(ERR_GET_REASON(ERR_peek_last_error()));
  ERR_clear_error();
  return fail({what, reason, ErrorSource::x509});
}

// A read-only view of `text`, which must outlive it. Null if out of memory.
inline bssl::UniquePtr<BIO> reader(std::string_view text) {
  return bssl::UniquePtr<BIO>(BIO_new_mem_buf(text.data(), static_cast<ossl_ssize_t>(text.size())));
}

inline bssl::UniquePtr<BIO> writer() {
  bssl::UniquePtr<BIO> out(BIO_new(BIO_s_mem()));
  ENSURE(out);
  return out;
}

inline std::string written(const bssl::UniquePtr<BIO> &out) {
  const std::uint8_t *data = nullptr;
  std::size_t size = 0;
  ENSURE(BIO_mem_contents(out.get(), &data, &size));
  return {reinterpret_cast<const char *>(data), size};
}

}  // namespace culvert::native
