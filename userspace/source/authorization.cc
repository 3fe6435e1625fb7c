// SPDX-License-Identifier: Apache-2.0
// AuthorizationPolicy → AuthorizationObject: namespace and name, whom it selects, action, dry run,
// rules. The rules are policy_rules.h.
#include <algorithm>
#include <array>

#include "fields.h"
#include "policy_rules.h"

namespace culvert {
namespace {

Field<PolicyAction> read_action(const YamlNode *spec) {
  const std::string text = TRY(string_at(spec, "action"));
  if (text.empty() || text == "ALLOW") return PolicyAction::allow;
  if (text == "DENY") return PolicyAction::deny;
  if (text == "AUDIT") return PolicyAction::audit;
  if (text == "CUSTOM") return PolicyAction::custom;
  return std::unexpected(
      member(spec, "action")
          ->error("unknown value " + quoted(text) + ": accepted are ALLOW, DENY, AUDIT, CUSTOM"));
}

// The values that Istio takes, which are those of Go.
Field<bool> read_dry_run(const YamlNode &object) {
  constexpr std::string_view key = "istio.io/dry-run";
  const YamlNode *annotations = TRY(map_at(member(&object, "metadata"), "annotations"));
  const std::string text = TRY(string_at(annotations, key));
  for (const char *yes : {"1", "t", "T", "true", "True", "TRUE"})
    if (text == yes) return true;
  for (const char *no : {"", "0", "f", "F", "false", "False", "FALSE"})
    if (text == no) return false;
  return std::unexpected(
      member(annotations, key)->error(quoted(text) + " is neither \"true\" nor \"false\""));
}

Field<bool> has_targets(const YamlNode *spec) {
  const YamlNode *list = TRY(list_at(spec, "targetRefs"));
  const YamlNode *one = TRY(map_at(spec, "targetRef"));
  if (list != nullptr) {
    for (const auto &target : list->children()) {
      if (!target->is_map()) return std::unexpected(target->error("expected a map"));
    }
  }
  return one != nullptr || (list != nullptr && !list->children().empty());
}

class Reader {
 public:
  Reader(const YamlNode &object, const std::string &file, const MeshSettings &mesh);
  Object finish();

 private:
  Field<void> read_scope();
  void read_spec();
  void note(const YamlNode *node, std::string text);
  std::string selects() const;
  void deny_everything(const YamlError &error);
  Field<void> check_fields() const;

  const YamlNode &object_;
  const MeshSettings &mesh_;
  PolicyHead head_;
  const YamlNode *spec_ = nullptr;  // null: absent, or no map
  AuthorizationPolicy policy_;
  AuthorizationObject value_;
  const ValueContext context_;
  RuleReader rules_;
};

Reader::Reader(const YamlNode &object, const std::string &file, const MeshSettings &mesh)
    : object_(object),
      mesh_(mesh),
      head_(read_policy_head(object, "AuthorizationPolicy")),
      context_{head_.metadata.ns, TrustDomains(mesh)},
      rules_(context_, policy_, value_.errors) {
  policy_.ns = head_.metadata.ns;
  policy_.name = head_.metadata.name;
  policy_.file = file;
  policy_.line = head_.metadata.line;
  value_.scope.any_namespace = head_.any_namespace;
}

std::string Reader::selects() const {
  if (value_.for_waypoints) return "waypoints";
  return selects_text(value_.scope, policy_.ns, mesh_);
}

void Reader::note(const YamlNode *node, std::string text) {
  policy_.notes.push_back({node->line(), node->path(), std::move(text)});
}

Field<void> Reader::read_scope() {
  const YamlNode *spec = TRY(map_at(&object_, "spec"));
  spec_ = spec;
  const bool targets = TRY(has_targets(spec));
  if (targets && member(spec, "selector") != nullptr) {
    return std::unexpected(spec->error("selector stands together with targetRefs"));
  }
  value_.for_waypoints = targets;
  value_.scope.selector = TRY(selector_at(spec));
  return {};
}

// What it says is not known, so nothing is let through that it might refuse.
void Reader::deny_everything(const YamlError &error) {
  policy_.action = PolicyAction::deny;
  policy_.dry_run = false;
  policy_.rules = {PolicyRule{"spec", {}, {}, {}, false}};
  policy_.notes.push_back({error.line, error.path,
                           error.text + ", so it denies everything to all that it could select (" +
                               selects() + "): correct or remove it"});
  value_.errors.push_back(policy_.notes.back());
}

Field<void> Reader::check_fields() const {
  static constexpr std::array<std::string_view, 6> known = {"selector", "targetRef", "targetRefs",
                                                            "action",   "rules",     "provider"};
  if (spec_ == nullptr) return {};
  for (const auto &field : spec_->children()) {
    if (field->is_null() || std::ranges::find(known, field->key()) != known.end()) continue;
    return std::unexpected(field->error("unknown field"));  // perhaps `action`, written wrongly
  }
  return {};
}

void Reader::read_spec() {
  const auto action = read_action(spec_);
  const auto fields = check_fields();
  if (!action || !fields) return deny_everything(action ? fields.error() : action.error());
  policy_.action = *action;
  if (*action == PolicyAction::custom) {
    note(spec_->find("action"), "there is no provider to ask here, so it denies what it matches");
  }
  const YamlNode *rules = member(spec_, "rules");
  rules_.read(rules);
  const bool denies = *action == PolicyAction::deny || *action == PolicyAction::custom;
  if (denies && policy_.rules.empty()) {
    note(spec_,
         "it has no rules, so it never denies anything: write rules: [{}] to deny everything");
    value_.errors.push_back(policy_.notes.back());
  }
  const auto dry_run = read_dry_run(object_);
  policy_.dry_run = dry_run.value_or(false);
  if (dry_run) return;
  // In force, and no wider than without it: another ALLOW policy could allow more.
  if (*action == PolicyAction::allow) return rules_.narrow(dry_run.error());
  policy_.notes.push_back({dry_run.error().line, dry_run.error().path,
                           dry_run.error().text + ", so the policy is in force: correct it"});
  value_.errors.push_back(policy_.notes.back());
}

Object Reader::finish() {
  const auto scope = read_scope();
  if (head_.error) {
    deny_everything(*head_.error);
  } else if (!scope) {
    deny_everything(scope.error());
  } else {
    read_spec();
  }
  if (value_.for_waypoints) {
    note(spec_, "targetRefs name waypoints, so it selects no pod");
  }
  policy_.selects = selects();
  value_.policy = std::make_shared<const AuthorizationPolicy>(std::move(policy_));
  return {std::move(head_.metadata), std::move(value_)};
}

}  // namespace

Object read_authorization(const YamlNode &object, const std::string &file,
                          const MeshSettings &mesh) {
  return Reader(object, file, mesh).finish();
}

}  // namespace culvert
