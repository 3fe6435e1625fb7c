// SPDX-License-Identifier: Apache-2.0
// Any text as a configuration: a Config, or one line that says what is wrong.
#include <cstdint>
#include <string>

#include "culvert/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  const std::string text(reinterpret_cast<const char *>(data), size);
  const auto config = culvert::parse_config("c.yaml", text);
  if (config) {
    ENSURE(!config->node.empty() && config->cgroup.starts_with('/'));
    ENSURE(config->data_threads >= 1 && config->tunnel.connections_max >= 1);
  } else {
    ENSURE(config.error().text.starts_with("c.yaml:"));
    ENSURE(config.error().text.find('\n') == std::string::npos);
  }
  return 0;
}
