// SPDX-License-Identifier: Apache-2.0
#include "mode_index.h"

#include <algorithm>
#include <tuple>

#include "fields.h"
#include "policy_index.h"

namespace culvert {
namespace {

const PeerAuthenticationObject &value_of(const Entry &entry) {
  return entry.as<PeerAuthenticationObject>();
}

auto place_of(const Entry *entry) {
  const Metadata &metadata = entry->metadata();
  return std::tie(metadata.created, metadata.ns, metadata.name, *entry->file, metadata.line);
}

bool say_the_same(const Entry &a, const Entry &b) {
  return a.metadata().created == b.metadata().created && value_of(a) == value_of(b);
}

// All entries of one namespace and name.
struct Versions {
  const Entry *first = nullptr, *last = nullptr;
  bool differ = false;
  void add(const Entry &entry) {
    differ = differ || (first != nullptr && !say_the_same(*first, entry));
    if (first == nullptr) first = &entry;
    last = &entry;
  }
};

// Of two versions of one object nobody knows which is meant, so both are open.
bool is_open(const Entry &entry, const Versions &versions, const MeshSettings &mesh,
             std::vector<ResourceError> &errors) {
  const PeerAuthenticationObject &value = value_of(entry);
  if (value.open || value.selects_nothing || versions.first == versions.last) return value.open;
  const Entry &other = versions.first == &entry ? *versions.last : *versions.first;
  std::string text = "it is also in " + *other.file + ":" + std::to_string(other.metadata().line);
  if (versions.differ) {
    text += " and says something else there, so all that it could select (" +
            selects_text(value.scope, entry.metadata().ns, mesh) + ") is STRICT on every port";
  }
  errors.push_back(entry.error(text + ": remove one of the two"));
  return versions.differ;
}

const Entry *first_that_selects(const std::vector<const Entry *> &entries, const Metadata &pod) {
  const auto found = std::ranges::find_if(entries, [&](const Entry *entry) {
    return selects(value_of(*entry).scope.selector, pod.labels);
  });
  return found == entries.end() ? nullptr : *found;
}

std::string because(const Entry &entry) {
  const bool mistaken = !value_of(entry).errors.empty();
  return entry.metadata().where() + (mistaken ? ", which has a mistake" : "");
}

// Only what is not said of all ports already.
void add_ports(const Entry &entry, InboundModes &modes) {
  for (const InboundModes::Port &port : value_of(entry).ports) {
    if (port.mode != modes.everywhere) modes.ports.push_back(port);
  }
  const std::string by = because(entry);
  if (!modes.ports.empty() && modes.because != by) modes.because += "; for ports " + by;
}

}  // namespace

ModeIndex::ModeIndex(const Joined &joined, const MeshSettings &mesh,
                     std::vector<ResourceError> &errors)
    : settings_(mesh) {
  std::map<Key, Versions> by_name;
  std::vector<const Entry *> sorted;
  for (const Entry &entry : joined.peer_authentications) {
    for (const PolicyNote &error : value_of(entry).errors) {
      errors.push_back({*entry.file, error.line, entry.metadata().where(),
                        (error.path.empty() ? "" : error.path + ": ") + error.text});
    }
    by_name[{entry.metadata().ns, entry.metadata().name}].add(entry);
    sorted.push_back(&entry);
  }
  std::ranges::stable_sort(sorted, {}, place_of);
  for (const Entry *entry : sorted) {
    const Metadata &metadata = entry->metadata();
    const auto &versions = by_name.at({metadata.ns, metadata.name});
    add(*entry, is_open(*entry, versions, mesh, errors));
  }
}

void ModeIndex::add(const Entry &entry, bool open) {
  const PeerAuthenticationObject &value = value_of(entry);
  if (value.selects_nothing) return;
  const std::string &ns = entry.metadata().ns;
  const bool of_mesh = value.scope.any_namespace || ns == settings_.root_namespace;
  Scope &scope = of_mesh ? mesh_ : namespaces_[ns];
  if (open) {
    scope.open.push_back(&entry);
  } else if (!value.scope.selector.empty()) {
    scope.selective.push_back(&entry);
  } else if (scope.everyone == nullptr) {
    scope.everyone = &entry;
  }
}

InboundModes ModeIndex::of(const Metadata &pod) const {
  static const Scope nothing;
  const auto found = namespaces_.find(pod.ns);
  const Scope &own = found == namespaces_.end() ? nothing : found->second;
  for (const Scope *scope : {&mesh_, &own}) {
    const Entry *open = first_that_selects(scope->open, pod);
    if (open != nullptr) return {MtlsMode::strict, {}, because(*open)};
  }
  InboundModes modes{settings_.default_mode, {}, "defaultMode"};
  const Entry *selective = first_that_selects(own.selective, pod);
  for (const Entry *entry : {mesh_.everyone, own.everyone, selective}) {
    if (entry == nullptr || !value_of(*entry).mode) continue;
    modes.everywhere = *value_of(*entry).mode;
    modes.because = because(*entry);
  }
  if (selective != nullptr) add_ports(*selective, modes);
  return modes;
}

}  // namespace culvert
