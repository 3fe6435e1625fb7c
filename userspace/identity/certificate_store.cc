// SPDX-License-Identifier: Apache-2.0
// The SVIDs of the local identities: fetched when wanted, renewed at half of their life, dropped
// when they expire or are no longer wanted.
//
//   wanted --fetched--> held --half life--> (fetch) --ok--> held
//                                              \--failed--> held, tried again after a backoff
//   held --expired--> none (fail closed), still tried again
#include <algorithm>
#include <cstdlib>
#include <map>

#include "culvert/identity.h"

namespace culvert {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

constexpr milliseconds backoff_min{500};
constexpr milliseconds backoff_max{150'000};
constexpr milliseconds renewal_min{200};  // no busy loop in the last second of a root

// Between 0.9 and 1.1 of `wait`, so that identities fetched together are not renewed together.
milliseconds with_jitter(milliseconds wait) {
  return wait * (900 + static_cast<long>(::arc4random_uniform(201))) / 1000;
}

struct Held {
  std::shared_ptr<const Svid> svid;
  Time renew_at;
  milliseconds backoff = backoff_min;  // before the next attempt, if this one fails
  std::string error;
};

// A source may be wrong or hostile: what it gives must be what we asked for, and must be good for a
// peer that checks as we do.
std::string fault_of(const Svid &svid, const SpiffeId &asked, const TrustBundle *bundle, Time now) {
  if (svid.id != asked) return "the source answered with the identity " + svid.id.text();
  if (svid.chain.empty()) return "the source answered without a certificate";
  if (!svid.chain.front().matches(svid.key)) return "the key is not the certificate's";
  if (bundle == nullptr) return "no trust bundle";
  const auto peer = verify_peer(svid.chain, *bundle, now);
  if (!peer) return "our own certificate is not good: " + std::string(name(peer.error()));
  if (peer->id != asked) return "the certificate is for " + peer->id.text();
  return {};
}

}  // namespace

struct CertificateStore::State {
  std::unique_ptr<IdentitySource> source;
  std::map<SpiffeId, Held> held;

  // Fetches once; true: there is a new SVID.
  bool renew(const SpiffeId &id, Held &item, Time now) {
    auto fetched = source->fetch(id);
    if (!fetched) {
      item.error = fetched.error().text;
    } else if (*fetched == nullptr) {
      item.error = "the source has no certificate";
    } else {
      item.error = fault_of(**fetched, id, source->bundle().get(), now);
    }
    if (!item.error.empty()) {
      item.renew_at = now + with_jitter(item.backoff);
      item.backoff = std::min(item.backoff * 2, backoff_max);
      return false;
    }
    item.svid = std::move(*fetched);
    item.backoff = backoff_min;
    // Half of what is left: notBefore says little, it is backdated.
    const auto left = duration_cast<milliseconds>(item.svid->not_after() - now);
    item.renew_at = now + std::max(with_jitter(left / 2), renewal_min);
    return true;
  }
};

CertificateStore::CertificateStore(std::unique_ptr<IdentitySource> source)
    : state_(std::make_unique<State>()) {
  ENSURE(source);
  state_->source = std::move(source);
}

CertificateStore::~CertificateStore() = default;

void CertificateStore::want(const std::set<SpiffeId> &ids, Time now) {
  std::erase_if(state_->held, [&](const auto &item) { return !ids.contains(item.first); });
  for (const SpiffeId &id : ids) {
    const auto [item, fresh] = state_->held.try_emplace(id);
    if (fresh) state_->renew(id, item->second, now);
  }
}

std::vector<SpiffeId> CertificateStore::advance(Time now) {
  std::vector<SpiffeId> changed;
  for (auto &[id, item] : state_->held) {
    bool differs = item.renew_at <= now && state_->renew(id, item, now);
    if (item.svid && item.svid->not_after() <= now) {
      item.svid = nullptr;
      differs = true;
    }
    if (differs) changed.push_back(id);
  }
  return changed;
}

std::optional<Time> CertificateStore::next_deadline() const {
  std::optional<Time> next;
  for (const auto &[id, item] : state_->held) {
    Time due = item.renew_at;
    if (item.svid) due = std::min(due, item.svid->not_after());
    next = std::min(next.value_or(due), due);
  }
  return next;
}

std::shared_ptr<const Svid> CertificateStore::svid(const SpiffeId &id) const {
  const auto found = state_->held.find(id);
  return found == state_->held.end() ? nullptr : found->second.svid;
}

std::shared_ptr<const TrustBundle> CertificateStore::bundle() const {
  return state_->source->bundle();
}

std::vector<CertificateStore::Entry> CertificateStore::entries() const {
  std::vector<Entry> out;
  for (const auto &[id, item] : state_->held) {
    out.push_back({.id = id, .svid = item.svid, .renew_at = item.renew_at, .error = item.error});
  }
  return out;
}

std::string_view CertificateStore::source_name() const { return state_->source->name(); }

}  // namespace culvert
