// SPDX-License-Identifier: Apache-2.0
#include "build.h"

#include <algorithm>
#include <iterator>
#include <tuple>

namespace culvert {
namespace {

void take(std::map<Key, Entry> &entries, Entry entry, std::vector<ResourceError> &errors) {
  const Key key{entry.metadata().ns, entry.metadata().name};
  const auto [place, added] = entries.try_emplace(key, entry);
  if (added) return;
  errors.push_back(place->second.error("defined again in " + *entry.file + ":" +
                                       std::to_string(entry.metadata().line) +
                                       ", which is the one in force: remove one of the two"));
  place->second = std::move(entry);
}

auto place_of(const Entry &policy) {
  const AuthorizationPolicy &value = *policy.as<AuthorizationObject>().policy;
  return std::tie(value.ns, value.name, value.file, value.line);
}

}  // namespace

Joined join(const Files &files) {
  Joined joined;
  for (const auto &[file, content] : files) {
    joined.ignored_objects += content.ignored_objects;
    std::ranges::copy(content.errors, std::back_inserter(joined.file_errors));
    for (const ObjectPtr &object : content.objects) {
      Entry entry{&file, object};
      switch (object->value.index()) {
        case 0:
          take(joined.namespaces, std::move(entry), joined.errors);
          break;
        case 1:
          take(joined.pods, std::move(entry), joined.errors);
          break;
        case 2:
          take(joined.services, std::move(entry), joined.errors);
          break;
        case 3:
          take(joined.slices, std::move(entry), joined.errors);
          break;
        case 4:
          joined.peer_authentications.push_back(std::move(entry));
          break;
        default:
          joined.authorizations.push_back(std::move(entry));
          break;
      }
    }
  }
  std::ranges::stable_sort(joined.authorizations, {}, place_of);
  return joined;
}

void join_policies(const Files &files, const std::set<std::string> &changed, Joined &joined) {
  std::erase_if(joined.file_errors,
                [&](const ResourceError &error) { return changed.contains(error.file); });
  // Not by Entry::file: the name of a file that is gone is gone as well.
  std::erase_if(joined.authorizations, [&](const Entry &entry) {
    return changed.contains(entry.as<AuthorizationObject>().policy->file);
  });
  const auto kept = std::ssize(joined.authorizations);
  for (const std::string &name : changed) {
    const auto file = files.find(name);
    if (file == files.end()) continue;
    std::ranges::copy(file->second.errors, std::back_inserter(joined.file_errors));
    for (const ObjectPtr &object : file->second.objects)
      joined.authorizations.push_back({&file->first, object});
  }
  const auto fresh = joined.authorizations.begin() + kept;
  std::ranges::stable_sort(fresh, joined.authorizations.end(), {}, place_of);
  std::ranges::inplace_merge(joined.authorizations, fresh, {}, place_of);
}

}  // namespace culvert
