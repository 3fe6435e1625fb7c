// SPDX-License-Identifier: Apache-2.0
// PeerAuthentications as manifests, and the modes of a workload as one line.
#pragma once

#include <string>

#include "source_directory.h"

namespace culvert {

inline std::string peer(const std::string &metadata, const std::string &spec) {
  return "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {" + metadata +
         "}\nspec: {" + spec + "}\n";
}

inline std::string in(const std::string &ns, const std::string &name = "p") {
  return "name: " + name + ", namespace: " + ns;
}
inline std::string created(const std::string &day) {
  return ", creationTimestamp: '2026-01-" + day + "T00:00:00Z'";
}
inline std::string mode(const std::string &value) { return "mtls: {mode: " + value + "}"; }
inline std::string selecting(const std::string &app) {
  return "selector: {matchLabels: {app: " + app + "}}, ";
}

// "STRICT", "PERMISSIVE 80=STRICT 81=DISABLE"
inline std::string modes_of(const SnapshotPtr &snapshot, const std::string &key) {
  const InboundModes &modes = pod_of(snapshot, key)->modes;
  std::string line(name(modes.everywhere));
  for (const InboundModes::Port &port : modes.ports)
    line += " " + std::to_string(port.port) + "=" + std::string(name(port.mode));
  return line;
}

// The modes of shop/web, shop/db and other/web: the first letter of each, "SPD".
inline std::string letters(const SnapshotPtr &snapshot) {
  std::string line;
  for (const char *key : {"shop/web", "shop/db", "other/web"}) {
    const std::string modes = modes_of(snapshot, key);
    CHECK(!modes.contains(' '));
    line += modes[0];
  }
  return line;
}

}  // namespace culvert
