// SPDX-License-Identifier: Apache-2.0
#include "culvert/result.h"

#include <cstring>

namespace culvert {

std::string describe(const Error &error) {
  std::string text = error.what;
  if (error.code == 0) return text;
  switch (error.source) {
    case ErrorSource::os:
    case ErrorSource::bpf: {
      // The GNU form of strerror_r: it may answer with its own constant instead of `buffer`.
      char buffer[128];
      return text + ": " + ::strerror_r(error.code, buffer, sizeof buffer);
    }
    case ErrorSource::tls:
    case ErrorSource::x509:
    case ErrorSource::record:
    case ErrorSource::protocol:
    case ErrorSource::identity:
      return text + " (" + std::to_string(error.code) + ")";
  }
  return text;
}

}  // namespace culvert
