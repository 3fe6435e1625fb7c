// SPDX-License-Identifier: Apache-2.0
// Reading fields as Kubernetes does: a field that is absent and one that is null are the same; a
// field of the wrong type is an error; fields we do not read are not looked at.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "culvert/source.h"
#include "culvert/yaml.h"
#include "objects.h"

namespace culvert {

template <class T>
using Field = Result<T, YamlError>;

// A member that is there and not null; null pointers in, null pointers out.
const YamlNode *member(const YamlNode *node, std::string_view key);
// The same, and it is of that kind.
Field<const YamlNode *> map_at(const YamlNode *node, std::string_view key);
Field<const YamlNode *> list_at(const YamlNode *node, std::string_view key);

Field<std::string> string_at(const YamlNode *node, std::string_view key);  // "" if absent
Field<bool> bool_at(const YamlNode *node, std::string_view key, bool absent);
Field<std::uint16_t> port_at(const YamlNode *node, std::string_view key);  // must be there

enum class NameRule : std::uint8_t { label, subdomain };  // RFC 1123: 63, 253 characters
// A name; "" if absent.
Field<std::string> name_at(const YamlNode *node, std::string_view key, NameRule rule);
bool is_name(std::string_view text, NameRule rule);

// An address that a pod or a service may have: no loopback, multicast, unspecified one.
Field<Ip> ip_of(const YamlNode &node);
// Labels or annotations: strings, values of at most `value_max` bytes.
Field<Labels> strings_at(const YamlNode *node, std::string_view key, std::size_t value_max);

// metadata.creationTimestamp as in Metadata::created; "" if absent.
Field<std::string> created_at(const YamlNode *metadata);
Field<Metadata> read_metadata(const YamlNode &object, const std::string &kind);
// The mesh labels, culvert.dev/mesh before istio.io/dataplane-mode.
Field<MeshChoice> mesh_choice(const YamlNode &object, const Labels &labels);

// What cannot be read of a probe is an error of its own, not the Pod's.
void read_probes(const YamlNode *spec, PodObject &pod);
Field<PodObject> read_pod(const YamlNode &object, const Metadata &metadata);
Field<ServiceObject> read_service(const YamlNode &object);
Field<SliceObject> read_slice(const YamlNode &object, const Metadata &metadata);

// What is not understood of a policy's namespace and name; the scope is then as wide as could be.
constexpr std::string_view unreadable = "?";
struct PolicyHead {
  Metadata metadata;
  bool any_namespace = false;
  std::optional<YamlError> error;
};
PolicyHead read_policy_head(const YamlNode &object, const std::string &kind);
// spec.selector, which has nothing but matchLabels that a pod can have.
Field<Labels> selector_at(const YamlNode *spec);
// For people: "mesh", "namespace shop, app=web".
std::string selects_text(const PolicyScope &scope, const std::string &ns, const MeshSettings &mesh);

// These never fail. A PeerAuthentication of which not all can be read says STRICT.
Object read_peer_authentication(const YamlNode &object, const MeshSettings &mesh);
// See policy_rules.h. What leaves action or scope open is a DENY of all that it could select.
Object read_authorization(const YamlNode &object, const std::string &file,
                          const MeshSettings &mesh);

}  // namespace culvert
