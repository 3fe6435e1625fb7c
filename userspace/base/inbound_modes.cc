// SPDX-License-Identifier: Apache-2.0
#include "culvert/inbound_modes.h"

#include <algorithm>

namespace culvert {

std::string_view name(MtlsMode mode) {
  switch (mode) {
    case MtlsMode::strict:
      return "STRICT";
    case MtlsMode::permissive:
      return "PERMISSIVE";
    case MtlsMode::disable:
      return "DISABLE";
  }
  return "?";
}

MtlsMode InboundModes::at(std::uint16_t port) const {
  const auto found = std::ranges::lower_bound(ports, port, {}, &Port::port);
  return found != ports.end() && found->port == port ? found->mode : everywhere;
}

}  // namespace culvert
