// SPDX-License-Identifier: Apache-2.0
// source: where desired state comes from. Builds Snapshots; knows nothing of sockets, BPF or TLS.
//
// The directory source reads Kubernetes manifests (*.yaml, *.yml; several documents a file):
// Namespace, Pod, Service, EndpointSlice, PeerAuthentication, AuthorizationPolicy; other kinds are
// ignored and counted. A file that does not parse keeps its last good objects. Two files that
// define one object: the later name wins, and an error says so. Two pods with one address: the one
// with the newer creationTimestamp (else the later key) has it, and an error says so.
// An AuthorizationPolicy of which not all can be read or judged never becomes wider for it: see
// policy_set.h, and docs/resources.md for each case. A PeerAuthentication with a mistake is STRICT.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "culvert/result.h"
#include "culvert/snapshot.h"

namespace culvert {

struct MeshSettings {
  std::string trust_domain;
  std::string root_namespace;
  std::vector<std::string> trust_domain_aliases =
      {};  // other names of `trust_domain`, for policies
  MtlsMode default_mode = MtlsMode::strict;  // of pods of which no PeerAuthentication says anything
};

class Source {
 public:
  virtual ~Source() = default;
  // Readable when something may have changed (inotify); poll it, then call read().
  virtual int fd() const = 0;
  // The newest state: a new Snapshot with the next number, or null if nothing changed.
  virtual SnapshotPtr read() = 0;
};

// Problem: the directory does not exist or cannot be watched. The first read() always answers.
Result<std::unique_ptr<Source>, Problem> open_directory(const std::string &path,
                                                        const MeshSettings &mesh);

}  // namespace culvert
