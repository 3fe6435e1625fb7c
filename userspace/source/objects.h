// SPDX-License-Identifier: Apache-2.0
// The Kubernetes objects culvert reads, as far as it reads them. Values that passed every check.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "culvert/address.h"
#include "culvert/policy_set.h"
#include "culvert/snapshot.h"

namespace culvert {

using Labels = std::map<std::string, std::string, std::less<>>;

struct Metadata {
  std::string kind, ns, name;  // ns: empty for a Namespace
  std::string uid;
  std::string created;  // creationTimestamp without its Z: order of text is order of time
  Labels labels, annotations;
  int line = 0;
  std::string where() const { return kind + " " + (ns.empty() ? name : ns + "/" + name); }
};

// What the mesh labels of one object say; nullopt: nothing.
using MeshChoice = std::optional<bool>;

struct NamespaceObject {
  MeshChoice mesh;
};

struct PodObject {
  MeshChoice mesh;
  std::string node, service_account, app, version, owner, netns;
  std::vector<Ip> ips;
  bool host_network = false;
  std::vector<std::uint16_t> probe_ports;  // sorted
  std::vector<PolicyNote> probe_errors;
  bool ended = false;  // phase Succeeded or Failed: its processes are gone, its address is free
};

struct ServicePortObject {
  std::string name;
  std::uint16_t port = 0;
};

struct ServiceObject {
  std::vector<Ip> ips;  // cluster and external; empty: headless
  std::vector<ServicePortObject> ports;  // TCP
};

struct SliceEndpoint {
  std::vector<Ip> ips;
  std::string pod_ns, pod_name, pod_uid;  // targetRef; pod_name empty: none
  bool ready = true;
  bool serving_while_terminating = false;
};

struct SliceObject {
  std::string service;  // empty: belongs to none
  std::vector<ServicePortObject> ports;  // TCP; port: the target's
  std::vector<SliceEndpoint> endpoints;
};

// Whom a policy selects.
struct PolicyScope {
  bool any_namespace = false;  // else the object's own, unless that is the root namespace
  Labels selector;             // a pod has all of these; empty: every pod
  bool operator==(const PolicyScope &) const = default;
};

// One with a mistake says STRICT, and nothing of ports.
struct PeerAuthenticationObject {
  PolicyScope scope;
  // Whom it selects, or how old it is, could not be read: whomever `scope` names is STRICT,
  // whatever other objects say.
  bool open = false;
  bool selects_nothing = false;  // a selector in the root namespace
  std::optional<MtlsMode> mode;  // nothing: UNSET
  std::vector<InboundModes::Port> ports;  // by port, without those that are UNSET
  std::vector<PolicyNote> errors;
  bool operator==(const PeerAuthenticationObject &) const = default;
};

struct AuthorizationObject {
  PolicyScope scope;
  bool for_waypoints = false;  // targetRefs: it selects no pod
  PolicyPtr policy;
  std::vector<PolicyNote> errors;  // those of its notes that are mistakes
};

struct Object {
  Metadata metadata;
  std::variant<NamespaceObject, PodObject, ServiceObject, SliceObject, PeerAuthenticationObject,
               AuthorizationObject>
      value;
};
using ObjectPtr = std::shared_ptr<const Object>;

// What one file says.
struct FileContent {
  std::vector<ObjectPtr> objects;
  std::vector<ResourceError> errors;
  std::uint64_t ignored_objects = 0;
  bool whole = true;  // every object could be told by kind and name; false: `objects` are old ones
};

}  // namespace culvert
