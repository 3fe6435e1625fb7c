// SPDX-License-Identifier: Apache-2.0
// render: the admin socket's documents as a person reads them. A missing key throws
// Json::exception.
#pragma once

#include <string>

#include "client.h"
#include "human.h"

namespace culvert::cli {

std::string render_status(const Json &status, const Palette &palette);
std::string render_connections(const Json &document, const Palette &palette);
std::string render_workloads(const Json &document, const Palette &palette);
std::string render_certificates(const Json &document, const Palette &palette);
std::string render_policies(const Json &document, const Palette &palette);
std::string render_explain(const Json &document, const Palette &palette);

// A key's text; null and absent are empty.
inline std::string text_of(const Json &json, const char *key) {
  auto found = json.find(key);
  return found == json.end() || !found->is_string() ? "" : found->get<std::string>();
}

}  // namespace culvert::cli
