// SPDX-License-Identifier: Apache-2.0
// The grammar of SPIFFE-ID.md section 2, byte by byte. Nothing is folded, decoded or trimmed: two
// spellings of one identity would be two identities to someone.
#include <algorithm>

#include "culvert/identity.h"

namespace culvert {
namespace {

constexpr std::string_view scheme = "spiffe://";
constexpr std::size_t id_size_max = 2048;           // section 2.3
constexpr std::size_t trust_domain_size_max = 255;  // section 2.1

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_mark(char c) { return c == '.' || c == '-' || c == '_'; }

bool legal_trust_domain(std::string_view text) {
  return !text.empty() && text.size() <= trust_domain_size_max &&
         std::ranges::all_of(text, [](char c) { return is_lower(c) || is_digit(c) || is_mark(c); });
}

bool legal_segment(std::string_view text) {
  return !text.empty() && text != "." && text != ".." && std::ranges::all_of(text, [](char c) {
    return is_lower(c) || is_upper(c) || is_digit(c) || is_mark(c);
  });
}

// Empty (a trust domain's own ID), or segments each behind a '/'.
bool legal_path(std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);  // the '/'
    const std::string_view segment = path.substr(0, path.find('/'));
    if (!legal_segment(segment)) return false;
    path.remove_prefix(segment.size());
  }
  return true;
}

}  // namespace

std::optional<SpiffeId> SpiffeId::parse(std::string_view text) {
  if (text.size() > id_size_max || !text.starts_with(scheme)) return std::nullopt;
  const std::string_view rest = text.substr(scheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  if (!legal_trust_domain(rest.substr(0, slash))) return std::nullopt;
  if (!legal_path(rest.substr(slash))) return std::nullopt;
  SpiffeId out;
  out.text_ = std::make_shared<const std::string>(text);
  return out;
}

std::optional<SpiffeId> SpiffeId::workload(std::string_view trust_domain, std::string_view ns,
                                           std::string_view service_account) {
  // A name with a '/' would make another identity of the same text.
  if (!legal_segment(ns) || !legal_segment(service_account)) return std::nullopt;
  if (!legal_trust_domain(trust_domain)) return std::nullopt;
  std::string text(scheme);
  text.append(trust_domain).append("/ns/").append(ns).append("/sa/").append(service_account);
  return parse(text);
}

const std::string &SpiffeId::text() const {
  static const std::string empty;
  return text_ != nullptr ? *text_ : empty;
}

std::string_view SpiffeId::trust_domain() const {
  const std::string_view all = text();
  const std::string_view rest = all.substr(std::min(scheme.size(), all.size()));
  return rest.substr(0, rest.find('/'));
}

std::string_view SpiffeId::path() const {
  const std::string_view all = text();
  const std::size_t before = scheme.size() + trust_domain().size();
  return all.substr(std::min(before, all.size()));
}

}  // namespace culvert
