// SPDX-License-Identifier: Apache-2.0
#include "identities.h"

#include "culvert/log.h"

namespace culvert {

namespace {

Time now() { return std::chrono::system_clock::now(); }

}  // namespace

void Identities::want(const std::set<SpiffeId> &ids) {
  store_.want(ids, now());
  std::erase_if(ready_, [&](const auto &entry) { return !ids.contains(entry.first); });
}

bool Identities::advance() {
  const auto deadline = store_.next_deadline();
  if (!deadline || *deadline > now()) return false;
  const auto changed = store_.advance(now());
  for (const SpiffeId &id : changed) {
    const auto svid = store_.svid(id);
    log_event(LogLevel::info, svid != nullptr ? "certificate renewed" : "certificate expired",
              {{"identity", id.text()},
               {"serial", svid != nullptr ? svid->chain.front().serial() : std::string()}});
  }
  return !changed.empty();
}

std::shared_ptr<const TlsIdentity> Identities::find(const SpiffeId &id) {
  const auto svid = store_.svid(id);
  const auto bundle = store_.bundle();
  if (svid == nullptr || bundle == nullptr) return nullptr;  // fail closed
  Ready &ready = ready_[id];
  if (ready.svid == svid && ready.bundle == bundle) return ready.identity;
  auto made = TlsIdentity::create(svid, bundle, options_);
  if (!made) {
    log_event(LogLevel::error, "identity unusable",
              {{"identity", id.text()}, {"error", describe(made.error())}});
    return nullptr;
  }
  ready = {.svid = svid, .bundle = bundle, .identity = std::move(*made)};
  return ready.identity;
}

}  // namespace culvert
