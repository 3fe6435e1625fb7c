// SPDX-License-Identifier: Apache-2.0
// Objects of all files → Snapshot, in four steps: join the files, index the policies, make the
// workloads, give the services their endpoints.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "culvert/snapshot.h"
#include "culvert/source.h"
#include "objects.h"

namespace culvert {

// One object and the file it is in.
struct Entry {
  const std::string *file = nullptr;
  ObjectPtr object;

  template <class T>
  const T &as() const {
    return std::get<T>(object->value);
  }
  const Metadata &metadata() const { return object->metadata; }
  ResourceError error(std::string text) const {
    return {*file, metadata().line, metadata().where(), std::move(text)};
  }
};

using Key = std::pair<std::string, std::string>;  // namespace, name

struct Joined {
  std::map<Key, Entry> namespaces, pods, services, slices;
  std::vector<Entry> peer_authentications;
  std::vector<Entry> authorizations;  // sorted by namespace, name and place
  std::vector<ResourceError> file_errors, errors;  // errors: objects defined twice
  std::uint64_t ignored_objects = 0;
};

// Files in the order of their names: of two objects of one kind and name the later is taken, with
// an error. Policies are all taken.
using Files = std::map<std::string, FileContent>;
Joined join(const Files &files);
// `joined` again, if only the AuthorizationPolicies of these files are different now.
void join_policies(const Files &files, const std::set<std::string> &changed, Joined &joined);

// What differs since the last Snapshot.
struct Changes {
  std::set<std::string> files;
  bool only_policies = true;  // AuthorizationPolicies
  void add(const std::string &file, const FileContent &before, const FileContent &after);
};

struct PolicySetHash {
  std::size_t operator()(const PolicySetPtr &set) const noexcept;
};
struct PolicySetEqual {
  bool operator()(const PolicySetPtr &a, const PolicySetPtr &b) const { return *a == *b; }
};
using PolicySets = std::unordered_set<PolicySetPtr, PolicySetHash, PolicySetEqual>;

class PolicyIndex;
// Fills workloads and by_ip. Unchanged workloads are `previous`'s (may be null).
void build_workloads(const Joined &joined, const MeshSettings &mesh, PolicyIndex &policies,
                     const Snapshot *previous, Snapshot &snapshot);
// Fills services and by_service, from the workloads.
void build_services(const Joined &joined, const Snapshot *previous, Snapshot &snapshot);

// Namespaces whose pods may have other policies now.
struct Affected {
  bool everywhere = false;
  std::set<std::string> namespaces;
};
Affected affected_by(const std::vector<PolicyPtr> &before, const std::vector<PolicyPtr> &after);

// `snapshot` has all of `previous` but the policies, which are its own: gives the pods of
// `affected` their new sets, and whatever points to these workloads the new ones. `policies` has at
// least those that select such pods.
void select_again(const Joined &joined, const Affected &affected, PolicyIndex &policies,
                  Snapshot &snapshot);

// Builds one Snapshot after the other. Where only policies changed, what follows from other objects
// is not built again.
class Builder {
 public:
  explicit Builder(MeshSettings mesh) : mesh_(std::move(mesh)) {}
  // A Snapshot without number and time; null if it says the same as the last one.
  std::shared_ptr<Snapshot> build(const Files &files,
                                  const std::vector<ResourceError> &source_errors,
                                  const Changes &changes);

 private:
  std::shared_ptr<Snapshot> build_all(const Files &files);
  std::shared_ptr<Snapshot> build_policies(const Files &files, const Changes &changes);

  const MeshSettings mesh_;
  Joined joined_;
  std::vector<ResourceError> errors_;  // of all but the files and the policies
  PolicySets sets_;  // in use, or lately
  SnapshotPtr last_;
};

}  // namespace culvert
