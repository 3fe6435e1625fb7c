// SPDX-License-Identifier: Apache-2.0
// observe_fixture: one client, one server, one service, and connections between them.
#pragma once

#include "culvert/observe.h"
#include "culvert/observe_policies.h"

namespace observe_fixture {

using namespace culvert;

inline constexpr Time noon{std::chrono::seconds(1767323045)};  // 2026-01-02T03:04:05Z

inline WorkloadPtr workload(const std::string &app, const std::string &ip,
                            const std::string &node) {
  Workload made;
  made.ns = "shop";
  made.name = app + "-1";
  made.node = node;
  made.service_account = app;
  made.app = app;
  made.version = "v1";
  made.owner = app;
  made.id = *SpiffeId::workload("cluster.local", "shop", app);
  made.ips = {*Ip::parse(ip)};
  made.meshed = true;
  return std::make_shared<const Workload>(made);
}

inline ServicePortPtr service() {
  ServicePort made;
  made.ns = "shop";
  made.service = "web";
  made.port = 80;
  return std::make_shared<const ServicePort>(made);
}

// web-1 behind one policy: everybody may reach ports 80 and 82.
inline Snapshot policies() {
  AuthorizationPolicy policy;
  policy.ns = "shop";
  policy.name = "web";
  policy.selects = "namespace shop";
  Condition ports;
  ports.attribute = Attribute::destination_port;
  ports.ports = {80, 82};
  PolicyRule rule;
  rule.path = "spec.rules[0]";
  rule.to = {{ports}};
  policy.rules = {rule};
  Snapshot made;
  made.policies = {std::make_shared<const AuthorizationPolicy>(policy)};
  Workload web = *workload("web", "10.0.1.1", "node-b");
  web.policies = std::make_shared<const PolicySet>(PolicySet{made.policies});
  made.workloads = {std::make_shared<const Workload>(web)};
  return made;
}

inline ConnectionRecord connection(Direction direction) {
  ConnectionRecord record;
  record.id = 7;
  record.direction = direction;
  record.source = workload("client", "10.0.0.1", "node-a");
  record.destination = workload("web", "10.0.1.1", "node-b");
  record.source_address = {*Ip::parse("10.0.0.1"), 40000};
  record.destination_address = {*Ip::parse("10.0.1.1"), 8080};
  bool outbound = direction == Direction::outbound;
  TunnelFacts facts;
  facts.local = outbound ? record.source->id : record.destination->id;
  facts.peer = outbound ? record.destination->id : record.source->id;
  facts.suite = CipherSuite::aes_128_gcm_sha256;
  facts.group = "X25519MLKEM768";
  record.tunnel = std::make_shared<const TunnelFacts>(facts);
  record.reused = true;
  record.established = true;
  record.opened = noon;
  record.duration = std::chrono::microseconds(1234567);
  record.sent_bytes = 100;
  record.received_bytes = 5000;
  return record;
}

inline ConnectionRecord outbound() {
  ConnectionRecord record = connection(Direction::outbound);
  record.service = service();
  return record;
}

inline ConnectionRecord inbound() { return connection(Direction::inbound); }

// " key=value key=value": the fields as the log writes them.
inline std::string text(const std::vector<LogField> &fields) {
  std::string line = format_text({noon, LogLevel::info, "", fields});
  return line.substr(line.find("INFO ") + 5);
}

}  // namespace observe_fixture
