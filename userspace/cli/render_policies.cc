// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "render.h"
#include "table.h"

namespace culvert::cli {
namespace {

using Align = Table::Align;

constexpr std::size_t values_shown_max = 8;  // policies name thousands; -o json has them all

std::string key_of(const Json &policy) {
  return text_of(policy, "namespace") + "/" + text_of(policy, "name");
}

// "source.namespace is a, b or c*", "destination.port is none of 22, 23"
std::string condition_text(const Json &condition) {
  const Json &values = condition.at("values");
  const bool negated = condition.at("negated").get<bool>();
  std::string out = text_of(condition, "attribute") + " is ";
  if (negated) out += values.size() == 1 ? "not " : "none of ";
  const std::size_t shown = std::min(values.size(), values_shown_max);
  for (std::size_t i = 0; i < shown; ++i) {
    const bool last = i + 1 == values.size();
    if (i > 0) out += last && !negated ? " or " : ", ";
    const auto value = values[i].get<std::string>();
    out += value.empty() ? "\"\"" : value;
  }
  if (shown == values.size()) return out;
  return out + (negated ? ", " : " or ") + std::to_string(values.size() - shown) + " more";
}

std::string conjunction_text(const Json &conjunction) {
  std::string out;
  for (const Json &condition : conjunction)
    out += (out.empty() ? "" : " and ") + condition_text(condition);
  return out.empty() ? "any" : out;
}

std::string alternatives_text(const Json &alternatives) {
  if (alternatives.size() == 1) return conjunction_text(alternatives[0]);
  std::string out;
  for (const Json &conjunction : alternatives)
    out += (out.empty() ? "(" : " or (") + conjunction_text(conjunction) + ")";
  return out;
}

std::string rule_text(const Json &rule) {
  std::string out;
  const auto add = [&](const char *word, const std::string &text) {
    out += (out.empty() ? "" : ", ") + std::string(word) + " " + text;
  };
  if (!rule.at("from").empty()) add("from", alternatives_text(rule["from"]));
  if (!rule.at("to").empty()) add("to", alternatives_text(rule["to"]));
  if (!rule.at("when").empty()) add("when", conjunction_text(rule["when"]));
  if (out.empty()) out = "any connection";
  return rule.at("matchesNothing").get<bool>() ? "nothing (see notes); else " + out : out;
}

std::string action_text(const Json &policy) {
  return text_of(policy, "action") + (policy.at("dryRun").get<bool>() ? " (dry-run)" : "");
}

std::string hits_text(const Json &hits) {
  const auto allowed = hits.at("allowed").get<std::uint64_t>();
  const auto denied = hits.at("denied").get<std::uint64_t>();
  if (allowed == 0 && denied == 0) return "0";
  std::string out = allowed == 0 ? "" : std::to_string(allowed) + " allowed";
  if (denied == 0) return out;
  return out + (out.empty() ? "" : ", ") + std::to_string(denied) + " denied";
}

// "policies.yaml:12"
std::string place_of(const std::string &file, const Json &line) {
  return line.is_number() ? file + ":" + std::to_string(line.get<int>()) : file;
}

std::string section(const char *title, const std::string &lines) {
  return lines.empty() ? "" : "\n" + std::string(title) + ":\n" + lines;
}

std::string line_of(const std::string &text) { return "  " + printable(text) + "\n"; }

}  // namespace

std::string render_policies(const Json &document, const Palette &palette) {
  const Json &policies = document.at("policies");
  Table table({{"NAMESPACE"},
               {"NAME"},
               {"ACTION"},
               {"SELECTS"},
               {"RULES", Align::right},
               {"HITS"},
               {"NOTES", Align::right}});
  std::string rules, notes, refused, problems;
  for (const Json &policy : policies) {
    const std::size_t count = policy.at("notes").size();
    const auto workloads = policy.at("workloads").get<std::uint64_t>();
    table.add({text_of(policy, "namespace"),
               text_of(policy, "name"),
               action_text(policy),
               text_of(policy, "selects") + " (" + std::to_string(workloads) +
                   (workloads == 1 ? " pod)" : " pods)"),
               std::to_string(policy.at("rules").size()),
               hits_text(policy.at("hits")),
               {count == 0 ? "" : std::to_string(count), Colour::yellow}});
    for (const Json &rule : policy["rules"])
      rules += line_of(key_of(policy) + " " + text_of(rule, "path") + ": " + rule_text(rule));
    for (const Json &note : policy["notes"]) {
      notes += line_of(place_of(text_of(policy, "file"), note.at("line")) + ": " + key_of(policy) +
                       " " + text_of(note, "path") + ": " + text_of(note, "text"));
    }
  }
  for (const Json &error : document.at("refused")) {
    refused += line_of(place_of(text_of(error, "file"), error.at("line")) + ": " +
                       text_of(error, "object") + ": " + text_of(error, "error"));
  }
  for (const Json &problem : document.at("problems"))
    problems += line_of(problem.get<std::string>());
  return (policies.empty() ? "no policies\n" : table.text(palette)) + section("rules", rules) +
         section("notes", notes) + section("objects with errors", refused) +
         section("not in force", problems);
}

}  // namespace culvert::cli
