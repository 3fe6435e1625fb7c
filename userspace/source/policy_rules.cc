// SPDX-License-Identifier: Apache-2.0
#include "policy_rules.h"

#include <algorithm>
#include <array>
#include <optional>

namespace culvert {
namespace {

constexpr std::size_t rules_max = 512, entries_max = 512;
constexpr std::size_t notes_max = 100;  // of one policy

// A field of `from[].source` or `to[].operation` and its negation. No attribute: it belongs to
// HTTP.
struct FieldRow {
  std::string_view of, field, negation;
  std::optional<Attribute> attribute;
};
constexpr std::array<FieldRow, 11> fields_known = {
    {{"source", "principals", "notPrincipals", Attribute::source_principal},
     {"source", "namespaces", "notNamespaces", Attribute::source_namespace},
     {"source", "serviceAccounts", "notServiceAccounts", Attribute::source_service_account},
     {"source", "trustDomains", "notTrustDomains", Attribute::source_trust_domain},
     {"source", "ipBlocks", "notIpBlocks", Attribute::source_ip},
     {"source", "requestPrincipals", "notRequestPrincipals", std::nullopt},
     {"source", "remoteIpBlocks", "notRemoteIpBlocks", std::nullopt},
     {"operation", "ports", "notPorts", Attribute::destination_port},
     {"operation", "hosts", "notHosts", std::nullopt},
     {"operation", "methods", "notMethods", std::nullopt},
     {"operation", "paths", "notPaths", std::nullopt}}};

struct KeyRow {
  std::string_view key;
  Attribute attribute;
};
constexpr std::array<KeyRow, 7> keys_known = {
    {{"source.ip", Attribute::source_ip},
     {"source.namespace", Attribute::source_namespace},
     {"source.principal", Attribute::source_principal},
     {"source.serviceAccount", Attribute::source_service_account},
     {"source.trustDomain", Attribute::source_trust_domain},
     {"destination.ip", Attribute::destination_ip},
     {"destination.port", Attribute::destination_port}}};

bool is_beyond_l4(std::string_view key) {
  return key.starts_with("request.") || key.starts_with("experimental.") || key == "remote.ip" ||
         key == "connection.sni";
}

// Null and an empty list are a field that is absent, as in Istio.
bool says_something(const YamlNode *field) {
  return field != nullptr && !field->is_null() && !(field->is_list() && field->children().empty());
}

std::string rule_effect(PolicyAction action) {
  switch (action) {
    case PolicyAction::allow:
      return "so the rule allows nothing";
    case PolicyAction::deny:
    case PolicyAction::custom:
      return "so the rule denies whatever it is";
    case PolicyAction::audit:
      break;
  }
  return "so the rule is judged without it";
}

std::string policy_effect(PolicyAction action) {
  switch (action) {
    case PolicyAction::allow:
      return "so the policy allows nothing";
    case PolicyAction::deny:
    case PolicyAction::custom:
      return "so the policy denies everything";
    case PolicyAction::audit:
      break;
  }
  return "so the policy is judged without it";
}

}  // namespace

// ---- what is found ----

bool RuleReader::note(const YamlError &error, const std::string &effect) {
  if (policy_.notes.size() > notes_max) return false;
  const bool last = policy_.notes.size() == notes_max;
  policy_.notes.push_back({error.line, error.path,
                           last ? "this and what follows is not listed: correct the rest first"
                                : error.text + ", " + effect});
  return true;
}

void RuleReader::invalid(const YamlError &error) {
  rule_.never = policy_.action == PolicyAction::allow;
  if (note(error, rule_effect(policy_.action) + ": correct it")) {
    errors_.push_back(policy_.notes.back());
  }
}

void RuleReader::beyond_l4(const YamlNode &node, const std::string &what) {
  rule_.never = policy_.action == PolicyAction::allow;
  note(node.error(what + " is not to be seen in a TCP connection"),
       rule_effect(policy_.action) + ": leave it to a proxy that reads HTTP");
}

void RuleReader::narrow(const YamlError &error) {
  if (policy_.action == PolicyAction::allow) {
    for (PolicyRule &rule : policy_.rules)
      rule.never = true;
  } else if (policy_.action != PolicyAction::audit) {
    policy_.rules = {PolicyRule{"spec", {}, {}, {}, false}};
  }
  if (note(error, policy_effect(policy_.action) + ": correct it")) {
    errors_.push_back(policy_.notes.back());
  }
}

// ---- rules ----

void RuleReader::read(const YamlNode *rules) {
  if (rules == nullptr || rules->is_null()) return;
  if (!rules->is_list()) {
    return narrow(rules->error("expected a list, not " + rules->describe()));
  }
  if (rules->children().size() > rules_max) {
    return narrow(rules->error("more than " + std::to_string(rules_max) + " rules"));
  }
  for (const auto &rule : rules->children())
    read_rule(*rule);
}

void RuleReader::read_rule(const YamlNode &node) {
  rule_ = {};
  rule_.path = node.path();
  if (!node.is_map()) invalid(node.error("expected a map, not " + node.describe()));
  for (const auto &field : node.children()) {
    if (!node.is_map() || field->is_null()) continue;
    if (field->key() == "from") {
      read_entries(*field, "source", rule_.from);
    } else if (field->key() == "to") {
      read_entries(*field, "operation", rule_.to);
    } else if (field->key() == "when") {
      read_when(*field);
    } else {
      invalid(field->error("unknown field: accepted are from, to, when"));
    }
  }
  policy_.rules.push_back(std::move(rule_));
}

void RuleReader::read_entries(const YamlNode &list, std::string_view of,
                              std::vector<Conjunction> &entries) {
  if (!list.is_list()) return invalid(list.error("expected a list, not " + list.describe()));
  if (list.children().empty()) return invalid(list.error("the list is empty"));
  if (list.children().size() > entries_max) {
    return invalid(list.error("more than " + std::to_string(entries_max) + " entries"));
  }
  for (const auto &entry : list.children())
    entries.push_back(read_entry(*entry, of));
}

// Empty if nothing of it can be taken: that matches any, and an ALLOW rule with it never matches.
Conjunction RuleReader::read_entry(const YamlNode &entry, std::string_view of) {
  Conjunction conditions;
  const YamlNode *fields = member(&entry, of);
  if (fields == nullptr || !fields->is_map()) {
    invalid(fields == nullptr ? entry.error("expected a map with " + std::string(of))
                              : fields->error("expected a map, not " + fields->describe()));
    return conditions;
  }
  for (const auto &field : entry.children()) {
    if (field.get() != fields && !field->is_null()) {
      invalid(field->error("unknown field: accepted is " + std::string(of)));
    }
  }
  bool empty = true;
  for (const auto &field : fields->children()) {
    if (!says_something(field.get())) continue;
    empty = false;
    read_field(*field, of, conditions);
  }
  if (empty) invalid(fields->error("it names nothing"));
  check_accounts(*fields, conditions);
  return conditions;
}

void RuleReader::read_field(const YamlNode &field, std::string_view of, Conjunction &conditions) {
  const auto row = std::ranges::find_if(fields_known, [&](const FieldRow &known) {
    return of == known.of && (field.key() == known.field || field.key() == known.negation);
  });
  if (row == fields_known.end()) {
    invalid(field.error("unknown field"));
  } else if (row->attribute) {
    add(field, *row->attribute, field.key() == row->negation, conditions);
  } else if (!field.is_list()) {
    invalid(field.error("expected a list, not " + field.describe()));
  } else {
    beyond_l4(field, field.key());
  }
}

void RuleReader::check_accounts(const YamlNode &source, Conjunction &conditions) {
  const auto has = [&](std::initializer_list<std::string_view> fields) {
    return std::ranges::any_of(
        fields, [&](std::string_view field) { return says_something(source.find(field)); });
  };
  if (!has({"serviceAccounts", "notServiceAccounts"}) ||
      !has({"principals", "notPrincipals", "namespaces", "notNamespaces"})) {
    return;
  }
  invalid(source.error("service accounts stand together with principals or namespaces"));
  std::erase_if(conditions, [](const Condition &condition) {
    return condition.attribute == Attribute::source_principal ||
           condition.attribute == Attribute::source_namespace ||
           condition.attribute == Attribute::source_service_account;
  });
}

void RuleReader::read_when(const YamlNode &list) {
  if (!list.is_list()) return invalid(list.error("expected a list, not " + list.describe()));
  if (list.children().size() > entries_max) {
    return invalid(list.error("more than " + std::to_string(entries_max) + " entries"));
  }
  for (const auto &entry : list.children())
    read_when_entry(*entry);
}

void RuleReader::read_when_entry(const YamlNode &entry) {
  const auto key = string_at(&entry, "key");
  if (!key || key->empty()) {
    return invalid(key ? entry.error("key is missing or empty") : key.error());
  }
  for (const auto &field : entry.children()) {
    if (!field->is_null() && field->key() != "key" && field->key() != "values" &&
        field->key() != "notValues") {
      invalid(field->error("unknown field: accepted are key, values, notValues"));
    }
  }
  const YamlNode *values = entry.find("values"), *not_values = entry.find("notValues");
  if (!says_something(values) && !says_something(not_values)) {
    return invalid(entry.error("neither values nor notValues"));
  }
  const auto row = std::ranges::find(keys_known, *key, &KeyRow::key);
  if (row == keys_known.end()) {
    if (is_beyond_l4(*key)) return beyond_l4(*entry.find("key"), quoted(*key));
    return invalid(entry.find("key")->error("unknown key " + quoted(*key)));
  }
  if (says_something(values)) add(*values, row->attribute, false, rule_.when);
  if (says_something(not_values)) add(*not_values, row->attribute, true, rule_.when);
}

void RuleReader::add(const YamlNode &list, Attribute attribute, bool negated,
                     Conjunction &conditions) {
  auto condition = read_condition(list, attribute, negated, context_);
  if (!condition) return invalid(condition.error());
  conditions.push_back(*std::move(condition));
}

}  // namespace culvert
