// SPDX-License-Identifier: Apache-2.0
#include "admin.h"

#include <array>
#include <ctime>

#include "culvert/observe.h"
#include "names.h"

namespace culvert {
namespace {

std::string_view name(PodStatus::State state) {
  switch (state) {
    case PodStatus::State::captured:
      return "captured";
    case PodStatus::State::waiting:
      return "waiting";
    case PodStatus::State::failed:
      return "failed";
  }
  return "";
}

Json pods_of(std::span<const PodStatus> pods) {
  std::size_t captured = 0;
  Json missing = Json::array();
  for (const PodStatus &pod : pods) {
    if (pod.state == PodStatus::State::captured) {
      ++captured;
    } else {
      missing.push_back({{"pod", pod.key}, {"state", name(pod.state)}, {"reason", pod.reason}});
    }
  }
  return {{"meshed", pods.size()}, {"captured", captured}, {"notCaptured", missing}};
}

Json errors_of(std::span<const ResourceError> errors) {
  Json list = Json::array();
  for (const ResourceError &error : errors) {
    list.push_back({{"file", error.file},
                    {"line", error.line == 0 ? Json(nullptr) : Json(error.line)},
                    {"object", text_or_null(error.object)},
                    {"error", error.text}});
  }
  return list;
}

// As Istio's: available, initializing, unavailable; and expired, which closes the workload.
std::string_view state_of(const CertificateStore::Entry &entry, Time now) {
  if (entry.svid == nullptr) return entry.error.empty() ? "initializing" : "unavailable";
  return entry.svid->not_after() <= now ? "expired" : "available";
}

Json certificate_of(const CertificateStore::Entry &entry, Time now) {
  Json json = {{"identity", entry.id.text()}, {"state", state_of(entry, now)}};
  if (entry.svid != nullptr) {
    const Certificate &leaf = entry.svid->chain.front();
    json["serial"] = leaf.serial();
    json["issuer"] = leaf.issuer();
    json["notBefore"] = rfc3339(leaf.not_before());
    json["notAfter"] = rfc3339(leaf.not_after());
    json["remainingSeconds"] = seconds_between(now, leaf.not_after());
  }
  json["renewAt"] = rfc3339(entry.renew_at);
  json["error"] = text_or_null(entry.error);
  return json;
}

Json bundle_of(const TrustBundle &bundle, Time now) {
  Json roots = Json::array();
  for (const Certificate &root : bundle.certificates) {
    roots.push_back({{"subject", root.subject()},
                     {"serial", root.serial()},
                     {"sha256", hex(sha256(root.der()))},
                     {"notBefore", rfc3339(root.not_before())},
                     {"notAfter", rfc3339(root.not_after())},
                     {"remainingSeconds", seconds_between(now, root.not_after())}});
  }
  return {{"trustDomain", bundle.trust_domain}, {"roots", roots}};
}

}  // namespace

std::string rfc3339(Time time) {
  std::time_t unix_seconds =
      std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(time));
  std::tm parts{};
  gmtime_r(&unix_seconds, &parts);
  std::array<char, 40> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

std::string status_json(const StatusInput &input) {
  Json json = {{"version", input.version},
               {"node", input.node},
               {"ready", input.ready},
               {"startedAt", rfc3339(input.started)},
               {"uptimeSeconds", seconds_between(input.started, input.now)}};
  if (input.snapshot == 0) {
    json["snapshot"] = nullptr;
  } else {
    json["snapshot"] = {{"number", input.snapshot},
                        {"madeAt", rfc3339(input.snapshot_made)},
                        {"ageSeconds", seconds_between(input.snapshot_made, input.now)}};
  }
  json["pods"] = pods_of(input.pods);
  json["records"] = {{"engine", name(input.engine)}, {"reason", input.engine_reason}};
  json["identity"] = {{"source", input.identity_source}, {"trustDomain", input.trust_domain}};
  json["connections"] = input.connections;
  json["resourceErrors"] = errors_of(input.resource_errors);
  json["warnings"] = input.warnings;
  return document(json);
}

std::string workloads_json(std::span<const WorkloadStatus> workloads) {
  Json list = Json::array();
  for (const WorkloadStatus &status : workloads) {
    const Workload &workload = *status.workload;
    Json addresses = Json::array();
    for (const Ip &ip : workload.ips)
      addresses.push_back(ip.text());
    list.push_back({{"namespace", workload.ns},
                    {"name", workload.name},
                    {"workload", text_or_null(workload.owner)},
                    {"serviceAccount", workload.service_account},
                    {"identity", text_or_null(workload.id.text())},
                    {"addresses", addresses},
                    {"node", text_or_null(workload.node)},
                    {"local", status.local},
                    {"meshed", workload.meshed},
                    {"mode", text_or_null(status.mode)},
                    {"captured", status.captured},
                    {"reason", text_or_null(status.reason)}});
  }
  return document({{"workloads", list}});
}

std::string certificates_json(const CertificatesInput &input) {
  Json certificates = Json::array(), bundles = Json::array();
  for (const CertificateStore::Entry &entry : input.entries) {
    certificates.push_back(certificate_of(entry, input.now));
  }
  for (const auto &bundle : input.bundles) {
    if (bundle != nullptr) bundles.push_back(bundle_of(*bundle, input.now));
  }
  return document({{"source", std::string(input.source)},
                   {"certificates", certificates},
                   {"bundles", bundles}});
}

}  // namespace culvert
