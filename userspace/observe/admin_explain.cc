// SPDX-License-Identifier: Apache-2.0
// admin_explain.cc: membership and mode first, which may refuse whatever policies say; then the
// policies as the evaluator reads them; then the maps, and whether they say the same.
#include <algorithm>

#include "admin.h"
#include "culvert/evaluator.h"
#include "culvert/observe_policies.h"

namespace culvert {
namespace {

struct Reason {
  bool refuses;
  std::string text;
};

std::string pod(const Workload &workload) { return "Pod " + workload.key(); }

std::string not_meshed(const Workload &workload) {
  const std::string &why = workload.not_meshed_because;
  return pod(workload) + " is not meshed" + (why.empty() ? "" : " (" + why + ")");
}

std::vector<Reason> membership(const ExplainInput &input) {
  std::vector<Reason> out;
  const Workload *source = input.source.get();
  const Workload &destination = *input.destination;
  if (source == nullptr) {
    out.push_back({false, input.source_address.text() + " is no pod's address: a client without "
                                                        "identity"});
  } else if (!source->meshed) {
    out.push_back({false, not_meshed(*source) + ": it connects without identity"});
  }
  if (!destination.meshed) {
    out.push_back({false, not_meshed(destination) + ": culvert judges no connection to it"});
    return out;
  }
  if (input.peer == nullptr && input.mode == "STRICT") {
    out.push_back({true, "mode STRICT takes no connection in plaintext"});
  }
  return out;
}

Json end_of(const Workload *workload, const Ip &address) {
  const Workload nobody;
  const Workload &is = workload == nullptr ? nobody : *workload;
  return {{"namespace", text_or_null(is.ns)},
          {"pod", text_or_null(is.name)},
          {"address", address.text()},
          {"meshed", is.meshed},
          {"node", text_or_null(is.node)},
          {"identity", text_or_null(is.meshed ? is.id.text() : "")}};
}

Json key_or_null(const AuthorizationPolicy *policy) {
  return policy == nullptr ? Json(nullptr) : Json(policy->key());
}

Json rule_or_null(const PolicyRule *rule) {
  return rule == nullptr ? Json(nullptr) : Json(rule->path);
}

Json decision_of(const PolicyDecision &decision) {
  return {{"allowed", decision.allowed},
          {"policy", key_or_null(decision.policy)},
          {"rule", rule_or_null(decision.rule)},
          {"text", decision.text()}};
}

Json steps_of(const PolicySet &set, const PolicySubject &subject) {
  Json list = Json::array();
  for (const PolicyStep &step : explain(set, subject)) {
    list.push_back({{"policy", step.policy->key()},
                    {"action", name(step.policy->action)},
                    {"dryRun", step.policy->dry_run},
                    {"decides", step.decides},
                    {"matches", step.matches},
                    {"rule", rule_or_null(step.rule)},
                    {"text", step.text}});
  }
  return list;
}

// What dry-run policies would make of it; null: there are none.
Json dry_run_of(const PolicySet &set, const PolicySubject &subject) {
  if (std::ranges::none_of(set.policies, &AuthorizationPolicy::dry_run)) return nullptr;
  const PolicyDecision would = evaluate_with_dry_run(set, subject);
  Json json = decision_of(would);
  json["changes"] = would.allowed != evaluate(set, subject).allowed;
  return json;
}

// The policy that an answer of the maps names. A number that is none is no policy of the set's:
// then the answer is of another set.
struct LiveVerdict {
  bool allowed;
  bool known;
  const AuthorizationPolicy *policy;
};
LiveVerdict read_live(const verdict_answer &answer, const PolicySet &set) {
  const bool named = answer.policy != VERDICT_NO_POLICY;
  const bool known = !named || answer.policy < set.policies.size();
  return {answer.verdict == VERDICT_ALLOW, known,
          named && known ? set.policies[answer.policy].get() : nullptr};
}

void add_judgement(Json &json, const ExplainInput &input) {
  json["decision"] = json["dryRun"] = json["live"] = json["agree"] = nullptr;
  json["steps"] = Json::array();
  if (!input.destination->meshed || input.destination->policies == nullptr) return;
  const PolicySet &set = *input.destination->policies;
  const PolicySubject subject{
      .peer = input.peer, .client = input.source_address, .destination = input.destination_address};
  const PolicyDecision decision = evaluate(set, subject);
  json["decision"] = decision_of(decision);
  json["steps"] = steps_of(set, subject);
  json["dryRun"] = dry_run_of(set, subject);
  if (!input.live) return;
  const LiveVerdict live = read_live(*input.live, set);
  json["live"] = {{"allowed", live.allowed}, {"policy", key_or_null(live.policy)}};
  json["agree"] = live.known && live.allowed == decision.allowed && live.policy == decision.policy;
}

}  // namespace

std::string error_json(std::string_view text) { return document({{"error", text}}); }

std::string explain_json(const ExplainInput &input) {
  Json destination = end_of(input.destination.get(), input.destination_address.ip);
  const std::uint16_t port = input.destination_address.port;
  destination["port"] = port == 0 ? Json(nullptr) : Json(port);
  Json json = {{"source", end_of(input.source.get(), input.source_address)},
               {"destination", destination},
               {"mode", text_or_null(input.mode)},
               {"provenIdentity", input.peer == nullptr ? Json(nullptr) : Json(input.peer->text())},
               {"allowed", nullptr},
               {"text", nullptr},
               {"membership", Json::array()}};
  add_judgement(json, input);
  json["liveReason"] = json["live"].is_null() ? text_or_null(input.live_reason) : Json(nullptr);
  const bool judged = !json["decision"].is_null();
  bool allowed = judged ? json["decision"]["allowed"].get<bool>() : !input.destination->meshed;
  std::string text = judged    ? json["decision"]["text"].get<std::string>()
                     : allowed ? "allowed: " + not_meshed(*input.destination)
                               : "denied: its policies are not known";
  bool refused = false;
  for (const Reason &reason : membership(input)) {
    json["membership"].push_back({{"refuses", reason.refuses}, {"text", reason.text}});
    if (!reason.refuses || refused) continue;
    refused = true;
    allowed = false;
    text = "denied: " + reason.text;
  }
  json["allowed"] = allowed;
  json["text"] = text;
  return document(json);
}

}  // namespace culvert
