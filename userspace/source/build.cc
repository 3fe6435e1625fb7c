// SPDX-License-Identifier: Apache-2.0
#include "build.h"

#include <algorithm>
#include <tuple>

#include "policy_index.h"

namespace culvert {
namespace {

bool has_only_policies(const FileContent &content) {
  return content.ignored_objects == 0 &&
         std::ranges::all_of(content.objects, [](const ObjectPtr &object) {
           return std::holds_alternative<AuthorizationObject>(object->value);
         });
}

void append(std::vector<ResourceError> &errors, const std::vector<ResourceError> &more) {
  errors.insert(errors.end(), more.begin(), more.end());
}

}  // namespace

void Changes::add(const std::string &file, const FileContent &before, const FileContent &after) {
  files.insert(file);
  only_policies = only_policies && has_only_policies(before) && has_only_policies(after);
}

std::shared_ptr<Snapshot> Builder::build(const Files &files,
                                         const std::vector<ResourceError> &source_errors,
                                         const Changes &changes) {
  std::erase_if(sets_, [](const PolicySetPtr &set) { return set.use_count() == 1; });
  const bool all = last_ == nullptr || !changes.only_policies;
  auto snapshot = all ? build_all(files) : build_policies(files, changes);
  append(snapshot->errors, errors_);
  append(snapshot->errors, joined_.file_errors);
  append(snapshot->errors, source_errors);
  std::ranges::sort(snapshot->errors, {}, [](const ResourceError &error) {
    return std::tie(error.file, error.line, error.object, error.text);
  });
  // by_ip and by_service follow from the lists; pointers are equal where nothing changed.
  const bool same = last_ != nullptr && snapshot->workloads == last_->workloads &&
                    snapshot->services == last_->services &&
                    snapshot->policies == last_->policies && snapshot->errors == last_->errors &&
                    snapshot->ignored_objects == last_->ignored_objects;
  if (same) return nullptr;
  last_ = snapshot;
  return snapshot;
}

// `errors` of the Snapshot are the policies' so far; all others are in `errors_`.
std::shared_ptr<Snapshot> Builder::build_all(const Files &files) {
  joined_ = join(files);
  auto snapshot = std::make_shared<Snapshot>();
  PolicyIndex policies(rank_policies(joined_, last_.get(), *snapshot), mesh_, sets_);
  const std::vector<ResourceError> of_policies = std::move(snapshot->errors);
  snapshot->errors = joined_.errors;
  build_workloads(joined_, mesh_, policies, last_.get(), *snapshot);
  build_services(joined_, last_.get(), *snapshot);
  errors_ = std::move(snapshot->errors);
  snapshot->errors = of_policies;
  snapshot->ignored_objects = joined_.ignored_objects;
  return snapshot;
}

std::shared_ptr<Snapshot> Builder::build_policies(const Files &files, const Changes &changes) {
  join_policies(files, changes.files, joined_);
  auto snapshot = std::make_shared<Snapshot>(*last_);
  snapshot->errors.clear();
  snapshot->policies.clear();
  RankedPolicies ranked = rank_policies(joined_, last_.get(), *snapshot);
  const Affected affected = affected_by(last_->policies, snapshot->policies);
  std::erase_if(ranked, [&](const RankedPolicy &one) {
    return !affected.everywhere && !one.is_of_mesh(mesh_) &&
           !affected.namespaces.contains(one.policy->ns);
  });
  PolicyIndex policies(std::move(ranked), mesh_, sets_);
  select_again(joined_, affected, policies, *snapshot);
  return snapshot;
}

}  // namespace culvert
