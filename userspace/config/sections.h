// SPDX-License-Identifier: Apache-2.0
// The sections of the file, each into its part of the Config.
#pragma once

#include "culvert/config.h"
#include "fields.h"

namespace culvert {

Field<void> read_resources(const YamlNode &node, Config &config);
Field<void> read_identity(const YamlNode &node, Config &config);
Field<void> read_tunnel(const YamlNode &node, Config::Tunnel &tunnel);
Field<MtlsMode> read_default_mode(const YamlNode &node);
Field<void> read_metrics(const YamlNode &node, Config &config);
Field<void> read_log(const YamlNode &node, Config::Log &log);

}  // namespace culvert
