// SPDX-License-Identifier: Apache-2.0
#include "manifests.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "fields.h"

namespace culvert {
namespace {

// Lists nest only by mistake.
constexpr int list_depth_max = 4;

struct Kind {
  std::string_view name, group;
  bool namespaced;
};
constexpr std::array<Kind, 6> kinds = {{{"Namespace", "", false},
                                        {"Pod", "", true},
                                        {"Service", "", true},
                                        {"EndpointSlice", "discovery.k8s.io", true},
                                        {"AuthorizationPolicy", "security.istio.io", true},
                                        {"PeerAuthentication", "security.istio.io", true}}};

const Kind *find_kind(std::string_view name, std::string_view api_version) {
  const std::size_t slash = api_version.find('/');
  const std::string_view group =
      slash == std::string_view::npos ? std::string_view() : api_version.substr(0, slash);
  const auto found = std::ranges::find_if(
      kinds, [&](const Kind &kind) { return kind.name == name && kind.group == group; });
  return found == kinds.end() ? nullptr : &*found;
}

bool is_named(const Metadata &policy) {
  return policy.ns != unreadable && policy.name != unreadable;
}

class Reader {
 public:
  Reader(const std::string &file, const std::vector<ObjectPtr> &good, const MeshSettings &mesh)
      : file_(file), good_(good), mesh_(mesh) {}

  void read(const YamlNode &object, int depth = 0);
  void fail(const YamlError &error, const std::string &object = {});
  void keep_everything() { content_.whole = false; }
  FileContent finish();

 private:
  void read_list(const YamlNode &list, const std::string &item_kind, int depth);
  void read_known(const YamlNode &node, const Kind &kind);
  Field<void> read_value(const YamlNode &node, Object &object);
  ObjectPtr last_good(const Metadata &identity);
  bool counts_in_bad_file(const Object &object);

  const std::string &file_;
  const std::vector<ObjectPtr> &good_;
  const MeshSettings &mesh_;
  std::unordered_map<std::string, ObjectPtr> good_by_name_;  // filled when first needed
  FileContent content_;
};

void Reader::fail(const YamlError &error, const std::string &object) {
  content_.errors.push_back(
      {file_, error.line, object, (error.path.empty() ? "" : error.path + ": ") + error.text});
}

void Reader::read(const YamlNode &object, int depth) {
  if (!object.is_map()) {
    fail(object.error("expected a Kubernetes object, not " + object.describe()));
    return keep_everything();
  }
  const auto api_version = string_at(&object, "apiVersion");
  const auto kind = string_at(&object, "kind");
  if (!api_version || !kind || api_version->empty() || kind->empty()) {
    fail(object.error("apiVersion and kind are missing or not strings"));
    return keep_everything();
  }
  if (const Kind *known = find_kind(*kind, *api_version)) return read_known(object, *known);
  if (kind->ends_with("List") && object.find("items") != nullptr) {
    const std::string item_kind = kind->substr(0, kind->size() - 4);
    if (item_kind.empty() || find_kind(item_kind, *api_version) != nullptr) {
      return read_list(object, item_kind, depth);
    }
  }
  ++content_.ignored_objects;
}

// `kubectl get -o yaml` writes a List of whole objects; a typed list leaves their kind out.
void Reader::read_list(const YamlNode &list, const std::string &item_kind, int depth) {
  const auto items = list_at(&list, "items");
  if (!items || depth >= list_depth_max) {
    fail(items ? list.error("lists in lists") : items.error());
    return keep_everything();
  }
  if (*items == nullptr) return;
  const Kind *kind = find_kind(item_kind, string_at(&list, "apiVersion").value_or(""));
  for (const auto &item : (*items)->children()) {
    if (kind != nullptr && item->is_map() && member(item.get(), "kind") == nullptr) {
      read_known(*item, *kind);
    } else {
      read(*item, depth + 1);
    }
  }
}

Field<void> Reader::read_value(const YamlNode &node, Object &object) {
  if (object.metadata.kind == "Namespace") {
    object.value = NamespaceObject{TRY(mesh_choice(node, object.metadata.labels))};
  } else if (object.metadata.kind == "Pod") {
    object.value = TRY(read_pod(node, object.metadata));
  } else if (object.metadata.kind == "Service") {
    object.value = TRY(read_service(node));
  } else {
    object.value = TRY(read_slice(node, object.metadata));
  }
  return {};
}

void Reader::read_known(const YamlNode &node, const Kind &kind) {
  const std::string kind_name(kind.name);
  if (kind.group == "security.istio.io") {
    Object policy = kind.name == "AuthorizationPolicy" ? read_authorization(node, file_, mesh_)
                                                       : read_peer_authentication(node, mesh_);
    content_.objects.push_back(std::make_shared<const Object>(std::move(policy)));
    return;
  }
  const YamlNode *metadata_node = member(&node, "metadata");
  const auto ns = kind.namespaced ? name_at(metadata_node, "namespace", NameRule::label)
                                  : Field<std::string>(std::string());
  const NameRule rule = kind.name == "Namespace" ? NameRule::label : NameRule::subdomain;
  const auto name = name_at(metadata_node, "name", rule);
  if (!ns || !name || name->empty()) {
    const YamlError error = !ns     ? ns.error()
                            : !name ? name.error()
                                    : node.error("metadata.name is missing");
    fail(error, kind_name);
    return keep_everything();
  }
  Metadata identity;
  identity.kind = kind_name;
  identity.ns = kind.namespaced && ns->empty() ? "default" : *ns;
  identity.name = *name;
  auto metadata = read_metadata(node, kind_name);
  Object object;
  if (metadata) {
    object.metadata = *std::move(metadata);
    object.metadata.ns = identity.ns;
    object.metadata.name = identity.name;
    const auto value = read_value(node, object);
    if (value) {
      content_.objects.push_back(std::make_shared<const Object>(std::move(object)));
      return;
    }
    fail(value.error(), identity.where());
  } else {
    fail(metadata.error(), identity.where());
  }
  if (ObjectPtr good = last_good(identity)) content_.objects.push_back(std::move(good));
}

ObjectPtr Reader::last_good(const Metadata &identity) {
  if (good_by_name_.empty()) {
    for (const ObjectPtr &object : good_)
      good_by_name_[object->metadata.where()] = object;
  }
  const auto found = good_by_name_.find(identity.where());
  return found == good_by_name_.end() ? nullptr : found->second;
}

// Not every object could be told: what the file said stays, new objects wait. Policies are not to
// be lost by that: an AuthorizationPolicy counts unless its last good version does, for two
// versions of an ALLOW would allow what neither says. Two versions of a PeerAuthentication are
// STRICT.
bool Reader::counts_in_bad_file(const Object &object) {
  const auto *modes = std::get_if<PeerAuthenticationObject>(&object.value);
  if (modes == nullptr && !std::holds_alternative<AuthorizationObject>(object.value)) return false;
  const ObjectPtr good = is_named(object.metadata) ? last_good(object.metadata) : nullptr;
  if (good == nullptr) return true;
  return modes != nullptr && (object.metadata.created != good->metadata.created ||
                              *modes != std::get<PeerAuthenticationObject>(good->value));
}

FileContent Reader::finish() {
  if (content_.whole) return std::move(content_);
  std::vector<ObjectPtr> objects = good_;
  for (ObjectPtr &object : content_.objects) {
    if (counts_in_bad_file(*object)) objects.push_back(std::move(object));
  }
  content_.objects = std::move(objects);
  return std::move(content_);
}

}  // namespace

FileContent read_manifests(const std::string &file, std::string_view text,
                           const std::vector<ObjectPtr> &good, const MeshSettings &mesh) {
  Reader reader(file, good, mesh);
  const auto parsed =
      parse_yaml(text, {}, [&](const YamlNode &document) { reader.read(document); });
  if (!parsed) {
    reader.fail(parsed.error());
    reader.keep_everything();
  }
  return reader.finish();
}

}  // namespace culvert
