// SPDX-License-Identifier: Apache-2.0
// PeerAuthentication → PeerAuthenticationObject: whom it selects, how old it is, its mode, the
// modes of ports. A mistake must not make more plaintext than the object would without it, so one
// with a mistake says STRICT; and where the mistake leaves open whom it selects or which of several
// objects it yields to, it says so to all that it could select, before every other object.
#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "fields.h"

namespace culvert {
namespace {

constexpr std::size_t ports_max = 1024;

Field<void> check_fields(const YamlNode *map, std::span<const std::string_view> known) {
  if (map == nullptr) return {};
  for (const auto &field : map->children()) {
    if (field->is_null() || std::ranges::find(known, field->key()) != known.end()) continue;
    std::string accepted;
    for (const std::string_view key : known)
      accepted += (accepted.empty() ? "" : ", ") + std::string(key);
    return std::unexpected(field->error("unknown field: accepted are " + accepted));
  }
  return {};
}

// `mtls`, or one port's; nothing: UNSET.
Field<std::optional<MtlsMode>> read_mode(const YamlNode *mtls) {
  static constexpr std::array<std::string_view, 1> known = {"mode"};
  TRY(check_fields(mtls, known));
  const YamlNode *node = member(mtls, "mode");
  if (node == nullptr) return std::optional<MtlsMode>();
  const std::string text = TRY(node->as_string());
  if (text == "UNSET") return std::optional<MtlsMode>();
  for (const MtlsMode mode : {MtlsMode::strict, MtlsMode::permissive, MtlsMode::disable}) {
    if (text == name(mode)) return std::optional(mode);
  }
  return std::unexpected(node->error("unknown value " + quoted(text) +
                                     ": accepted are UNSET, DISABLE, PERMISSIVE, STRICT"));
}

// Without leading zeros, so that each port can be there only once.
Field<std::uint16_t> port_of_key(const YamlNode &entry) {
  const std::string &text = entry.key();
  std::uint16_t port = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool whole = error == std::errc() && rest == text.data() + text.size();
  if (whole && port != 0 && !text.starts_with('0')) return port;
  return std::unexpected(
      entry.error(quoted(text) + " is no port: accepted is a number between 1 and 65535"));
}

Field<std::vector<InboundModes::Port>> read_ports(const YamlNode *spec) {
  std::vector<InboundModes::Port> ports;
  const YamlNode *map = TRY(map_at(spec, "portLevelMtls"));
  if (map == nullptr) return ports;
  if (map->children().empty()) {
    return std::unexpected(map->error("no port is in it: accepted is PORT: {mode: MODE}"));
  }
  if (map->children().size() > ports_max) {
    return std::unexpected(map->error("more than " + std::to_string(ports_max) + " ports"));
  }
  for (const auto &entry : map->children()) {
    const std::uint16_t port = TRY(port_of_key(*entry));
    if (!entry->is_null() && !entry->is_map()) {
      return std::unexpected(entry->error("expected a map, not " + entry->describe()));
    }
    const auto mode = TRY(read_mode(entry.get()));
    if (mode) ports.push_back({port, *mode});
  }
  std::ranges::sort(ports, {}, &InboundModes::Port::port);
  return ports;
}

class Reader {
 public:
  Reader(const YamlNode &object, const MeshSettings &mesh)
      : object_(object), mesh_(mesh), head_(read_policy_head(object, "PeerAuthentication")) {
    value_.scope.any_namespace = head_.any_namespace;
  }
  Object finish();

 private:
  Field<void> read_scope();
  Field<void> check_all_fields() const;
  Field<void> read_modes();
  void be_strict(const YamlError &error);

  const YamlNode &object_;
  const MeshSettings &mesh_;
  PolicyHead head_;
  const YamlNode *spec_ = nullptr;  // null: absent, or no map
  PeerAuthenticationObject value_;
};

Field<void> Reader::check_all_fields() const {
  static constexpr std::array<std::string_view, 5> of_object = {"apiVersion", "kind", "metadata",
                                                                "spec", "status"};
  static constexpr std::array<std::string_view, 3> of_spec = {"selector", "mtls", "portLevelMtls"};
  TRY(check_fields(&object_, of_object));
  return check_fields(spec_, of_spec);
}

// An error: it is open whom it selects, or its place among others.
Field<void> Reader::read_scope() {
  spec_ = TRY(map_at(&object_, "spec"));
  for (const char *targets : {"targetRef", "targetRefs"}) {
    if (const YamlNode *node = member(spec_, targets)) {
      return std::unexpected(node->error("unknown field: accepted is selector"));
    }
  }
  value_.scope.selector = TRY(selector_at(spec_));
  const bool has_selector = !value_.scope.selector.empty();
  value_.selects_nothing =
      has_selector && !head_.any_namespace && head_.metadata.ns == mesh_.root_namespace;
  if (value_.selects_nothing) return {};
  if (head_.error) return std::unexpected(*head_.error);
  head_.metadata.created = TRY(created_at(member(&object_, "metadata")));
  if (has_selector) return {};
  if (const YamlNode *ports = member(spec_, "portLevelMtls")) {
    return std::unexpected(ports->error("it stands without a selector"));  // perhaps forgotten
  }
  return check_all_fields();  // perhaps `selector`, written wrongly
}

Field<void> Reader::read_modes() {
  TRY(check_all_fields());
  const YamlNode *mtls = TRY(map_at(spec_, "mtls"));
  value_.mode = TRY(read_mode(mtls));
  value_.ports = TRY(read_ports(spec_));
  return {};
}

void Reader::be_strict(const YamlError &error) {
  const std::string whom = selects_text(value_.scope, head_.metadata.ns, mesh_);
  value_.mode = MtlsMode::strict;
  value_.ports.clear();
  const std::string effect = value_.open
                                 ? "so all that it could select (" + whom +
                                       ") is STRICT on every port: correct or remove it"
                                 : "so it says STRICT for every port (" + whom + "): correct it";
  value_.errors.push_back({error.line, error.path, error.text + ", " + effect});
}

Object Reader::finish() {
  const auto scope = read_scope();
  value_.open = !scope;
  if (value_.open) {
    be_strict(scope.error());
  } else if (value_.selects_nothing) {
    const YamlNode *selector = member(spec_, "selector");
    value_.errors.push_back({selector->line(), selector->path(),
                             "it stands in the root namespace, where as in Istio an object with a "
                             "selector selects nothing: move it to the namespace of the workloads, "
                             "or leave the selector out"});
  } else if (const auto modes = read_modes(); !modes) {
    be_strict(modes.error());
  }
  return {std::move(head_.metadata), std::move(value_)};
}

}  // namespace

Object read_peer_authentication(const YamlNode &object, const MeshSettings &mesh) {
  return Reader(object, mesh).finish();
}

}  // namespace culvert
