// SPDX-License-Identifier: Apache-2.0
// What the two kinds of policy have in common: namespace, name and selector.
#include "fields.h"

namespace culvert {
namespace {

constexpr std::size_t label_value_max = 63;

}  // namespace

PolicyHead read_policy_head(const YamlNode &object, const std::string &kind) {
  PolicyHead head;
  const YamlNode *metadata = member(&object, "metadata");
  const auto ns = name_at(metadata, "namespace", NameRule::label);
  const auto name = name_at(metadata, "name", NameRule::subdomain);
  head.metadata.kind = kind;
  head.metadata.line = metadata == nullptr ? object.line() : metadata->line();
  head.metadata.ns = ns ? (ns->empty() ? "default" : *ns) : unreadable;
  head.metadata.name = name && !name->empty() ? *name : unreadable;
  head.any_namespace = !ns || metadata == nullptr || !metadata->is_map();
  if (metadata == nullptr || !metadata->is_map()) {
    head.error = object.error("metadata is missing or no map");
  } else if (!ns) {
    head.error = ns.error();
  } else if (!name || name->empty()) {
    head.error = name ? metadata->error("name is missing") : name.error();
  }
  return head;
}

Field<Labels> selector_at(const YamlNode *spec) {
  const YamlNode *selector = TRY(map_at(spec, "selector"));
  if (selector == nullptr) return Labels();
  for (const auto &field : selector->children()) {
    if (field->key() != "matchLabels" && !field->is_null()) {
      return std::unexpected(field->error("unknown field: accepted is matchLabels"));
    }
  }
  Labels labels = TRY(strings_at(selector, "matchLabels", label_value_max));
  for (const auto &[key, value] : labels) {
    if (key.empty() || key.contains('*') || value.contains('*')) {
      return std::unexpected(
          selector->error(quoted(key + "=" + value) + " is a label that no pod can have"));
    }
  }
  return labels;
}

std::string selects_text(const PolicyScope &scope, const std::string &ns,
                         const MeshSettings &mesh) {
  const bool everywhere = scope.any_namespace || ns == mesh.root_namespace;
  std::string text = everywhere ? "mesh" : "namespace " + ns;
  for (const auto &[key, value] : scope.selector)
    text += ", " + key + "=" + value;
  return text;
}

}  // namespace culvert
