// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstdio>

#include "culvert/observe.h"
#include "names.h"

namespace culvert {
namespace {

// A field whose value nobody knows is left out, as ztunnel does.
void add(std::vector<LogField> &fields, std::string_view key, std::string_view value) {
  if (!value.empty()) fields.emplace_back(key, value);
}

std::string milliseconds(std::chrono::microseconds duration) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%lld.%03lldms",
                static_cast<long long>(duration.count() / 1000),
                static_cast<long long>(duration.count() % 1000));
  return text.data();
}

std::string address(const Endpoint &endpoint) {
  return endpoint.ip.is_unspecified() && endpoint.port == 0 ? "" : endpoint.text();
}

}  // namespace

LogLevel AccessLog::level(const ConnectionRecord &record) {
  return ended_by_applications(record.refusal) ? LogLevel::info : LogLevel::warn;
}

std::string_view AccessLog::message(const ConnectionRecord &record) {
  if (ended_by_applications(record.refusal)) return "connection complete";
  return was_allowed(record) ? "connection cut off" : "connection refused";
}

std::vector<LogField> AccessLog::fields(const ConnectionRecord &record) {
  std::vector<LogField> fields;
  Identities proven = identities(record);
  add(fields, "src.addr", address(record.source_address));
  if (record.source) {
    add(fields, "src.workload", record.source->name);
    add(fields, "src.namespace", record.source->ns);
  }
  add(fields, "src.identity", proven.source);
  add(fields, "dst.addr", address(record.destination_address));
  if (record.destination) {
    add(fields, "dst.workload", record.destination->name);
    add(fields, "dst.namespace", record.destination->ns);
  }
  add(fields, "dst.identity", proven.destination);
  if (record.service) add(fields, "dst.service", service_host(*record.service));
  add(fields, "direction", name(record.direction));
  fields.emplace_back("bytes_sent", record.received_bytes);
  fields.emplace_back("bytes_recv", record.sent_bytes);
  add(fields, "duration", milliseconds(record.duration));
  add(fields, "verdict", was_allowed(record) ? "allowed" : "refused");
  if (record.policy) add(fields, "policy", record.policy->key());
  if (record.dry_run) {
    add(fields, "dry_run", record.dry_run_allows ? "allowed" : "denied");
    add(fields, "dry_run_policy", record.dry_run->key());
  }
  if (record.tunnel) {
    add(fields, "tls_version", tls_version);
    add(fields, "cipher", name(record.tunnel->suite));
    add(fields, "group", record.tunnel->group);
    fields.emplace_back("resumed", record.tunnel->resumed);
    fields.emplace_back("reused", record.reused);
  } else if (record.established) {
    fields.emplace_back("plaintext", true);  // as the mode of the port allows
  }
  if (record.refusal != Refusal::none) {
    add(fields, "error", name(record.refusal));
    add(fields, "detail", record.detail);
  }
  return fields;
}

void AccessLog::write(const ConnectionRecord &record) {
  if (!log_enabled(level(record))) return;
  log_event(level(record), message(record), fields(record));
}

}  // namespace culvert
