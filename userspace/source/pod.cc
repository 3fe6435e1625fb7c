// SPDX-License-Identifier: Apache-2.0
// Pod → PodObject.
#include <algorithm>

#include "fields.h"

namespace culvert {
namespace {

constexpr std::size_t ips_max = 16;      // Kubernetes has at most one of each family
constexpr std::size_t path_max = 4095;   // PATH_MAX without its NUL

Field<std::vector<Ip>> read_ips(const YamlNode *status) {
  std::vector<Ip> ips;
  const auto add = [&](const YamlNode &node) -> Field<void> {
    const Ip ip = TRY(ip_of(node));
    if (std::ranges::find(ips, ip) == ips.end()) ips.push_back(ip);
    if (ips.size() <= ips_max) return {};
    return std::unexpected(node.error("more than " + std::to_string(ips_max) + " addresses"));
  };
  if (const YamlNode *ip = member(status, "podIP")) TRY(add(*ip));
  const YamlNode *list = TRY(list_at(status, "podIPs"));
  if (list == nullptr) return ips;
  for (const auto &item : list->children()) {
    const YamlNode *ip = member(item.get(), "ip");
    if (ip == nullptr) return std::unexpected(item->error("ip is missing"));
    TRY(add(*ip));
  }
  return ips;
}

Field<std::string> read_netns(const YamlNode &object, const Labels &annotations) {
  const auto found = annotations.find("culvert.dev/netns");
  if (found == annotations.end()) return std::string();
  const std::string &path = found->second;
  const bool control = std::ranges::any_of(
      path, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  const std::string parts = path + "/";
  if (path.starts_with('/') && path.size() > 1 && path.size() <= path_max && !control &&
      !parts.contains("/./") && !parts.contains("/../")) {
    return path;
  }
  const YamlNode *node = member(member(member(&object, "metadata"), "annotations"), found->first);
  return std::unexpected((node == nullptr ? object : *node)
                             .error(quoted(path) + " is no path to a network namespace: accepted "
                                                   "is an absolute path such as /run/netns/NAME"));
}

std::string label_or(const Labels &labels, std::string_view key, std::string_view second) {
  auto found = labels.find(key);
  if (found == labels.end() || found->second.empty()) found = labels.find(second);
  return found == labels.end() ? std::string() : found->second;
}

// What a user deployed, for metrics: a ReplicaSet's name without its hash is the Deployment's, a
// Job's without its scheduled minute (8 to 10 digits) the CronJob's.
std::string deployed_name(const std::string &kind, std::string name, const Labels &labels) {
  const std::size_t dash = name.rfind('-');
  if (dash == std::string::npos || dash == 0) return name;
  const std::string_view tail = std::string_view(name).substr(dash + 1);
  const auto hash = labels.find("pod-template-hash");
  const bool hashed = kind == "ReplicaSet" && hash != labels.end() && tail == hash->second;
  const bool scheduled = kind == "Job" && tail.size() >= 8 && tail.size() <= 10 &&
                         tail.find_first_not_of("0123456789") == std::string_view::npos;
  if (hashed || scheduled) name.resize(dash);
  return name;
}

Field<std::string> read_owner(const YamlNode &object, const Metadata &metadata) {
  const YamlNode *owners = TRY(list_at(member(&object, "metadata"), "ownerReferences"));
  if (owners == nullptr) return metadata.name;
  for (const auto &owner : owners->children()) {
    if (!TRY(bool_at(owner.get(), "controller", false))) continue;
    const std::string kind = TRY(string_at(owner.get(), "kind"));
    std::string name = TRY(name_at(owner.get(), "name", NameRule::subdomain));
    if (!name.empty()) return deployed_name(kind, std::move(name), metadata.labels);
  }
  return metadata.name;
}

}  // namespace

Field<PodObject> read_pod(const YamlNode &object, const Metadata &metadata) {
  const YamlNode *spec = TRY(map_at(&object, "spec"));
  const YamlNode *status = TRY(map_at(&object, "status"));
  PodObject pod;
  pod.mesh = TRY(mesh_choice(object, metadata.labels));
  pod.node = TRY(name_at(spec, "nodeName", NameRule::subdomain));
  pod.service_account = TRY(name_at(spec, "serviceAccountName", NameRule::subdomain));
  if (pod.service_account.empty()) pod.service_account = "default";
  pod.host_network = TRY(bool_at(spec, "hostNetwork", false));
  pod.netns = TRY(read_netns(object, metadata.annotations));
  pod.app = label_or(metadata.labels, "app", "app.kubernetes.io/name");
  pod.version = label_or(metadata.labels, "version", "app.kubernetes.io/version");
  pod.owner = TRY(read_owner(object, metadata));
  pod.ips = TRY(read_ips(status));
  read_probes(spec, pod);
  const std::string phase = TRY(string_at(status, "phase"));
  pod.ended = phase == "Succeeded" || phase == "Failed";
  return pod;
}

}  // namespace culvert
