// SPDX-License-Identifier: Apache-2.0
#include "policy_values.h"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace culvert {
namespace {

constexpr std::size_t values_max = 4096;
constexpr std::size_t principal_max = 2048;  // SPIFFE-ID.md section 2.3
constexpr std::size_t trust_domain_max = 255;
constexpr std::size_t namespace_max = 63;
constexpr unsigned v4_offset_bits = 96;  // of an IPv4 address in the 16-byte form

// A string that an identity could have, with a star at one end or none: one in the middle, a blank
// or a character beyond ASCII would silently never match.
Field<std::string> text_of(const YamlNode &node, std::size_t length_max) {
  std::string text = TRY(node.as_string());
  if (text.empty()) return std::unexpected(node.error("the string is empty"));
  const std::size_t stars = static_cast<std::size_t>(std::ranges::count(text, '*'));
  if (text.size() - stars > length_max) {
    return std::unexpected(node.error("longer than " + std::to_string(length_max) + " characters"));
  }
  if (std::ranges::any_of(text, [](char c) { return c <= ' ' || c > '~'; })) {
    return std::unexpected(
        node.error(quoted(text) + " has a blank, a control character or one beyond ASCII"));
  }
  if (stars > 1 || (stars == 1 && !text.starts_with('*') && !text.ends_with('*'))) {
    return std::unexpected(node.error(
        quoted(text) + " has a star in the middle or two: accepted are x, x*, *x and *"));
  }
  return text;
}

StringMatch match_of(const std::string &text) {
  if (text == "*") return {StringMatch::Form::present, {}};
  if (text.starts_with('*')) return {StringMatch::Form::suffix, text.substr(1)};
  if (text.ends_with('*')) return {StringMatch::Form::prefix, text.substr(0, text.size() - 1)};
  return {StringMatch::Form::exact, text};
}

Field<std::string> read_account(const YamlNode &node, const std::string &ns) {
  const std::string text = TRY(node.as_string());
  const std::size_t slash = text.find('/');
  const std::string account = slash == std::string::npos ? text : text.substr(slash + 1);
  const std::string of_ns = slash == std::string::npos ? ns : text.substr(0, slash);
  if (is_name(of_ns, NameRule::label) && is_name(account, NameRule::subdomain)) {
    return of_ns + "/" + account;
  }
  return std::unexpected(node.error(quoted(text) +
                                    " is no service account: accepted are NAMESPACE/NAME and NAME, "
                                    "without a star"));
}

Field<std::vector<StringMatch>> read_strings(const YamlNode &node, Attribute attribute,
                                             const ValueContext &context) {
  std::vector<std::string> texts;
  if (attribute == Attribute::source_principal) {
    const std::string text = TRY(text_of(node, principal_max));
    if (text.starts_with("spiffe://")) {
      return std::unexpected(node.error(
          quoted(text) + " would never match: a principal is written without spiffe://"));
    }
    texts = context.trust_domains.of_principal(text);
  } else if (attribute == Attribute::source_trust_domain) {
    texts = context.trust_domains.of_trust_domain(TRY(text_of(node, trust_domain_max)));
  } else if (attribute == Attribute::source_service_account) {
    texts = {TRY(read_account(node, context.ns))};
  } else {
    texts = {TRY(text_of(node, namespace_max))};
  }
  std::vector<StringMatch> matches;
  matches.reserve(texts.size());
  for (const std::string &text : texts)
    matches.push_back(match_of(text));
  return matches;
}

// Digits only, without signs and blanks.
template <class T>
bool read_number(std::string_view text, unsigned max, T &number) {
  unsigned value = 0;
  const auto [rest, error] = std::from_chars(text.begin(), text.end(), value);
  if (text.empty() || error != std::errc() || rest != text.end() || value > max) return false;
  number = static_cast<T>(value);
  return true;
}

Field<std::uint16_t> read_port(const YamlNode &node) {
  const std::string text = TRY(node.as_string());
  std::uint16_t port = 0;
  if (read_number(text, 65535, port) && port != 0) return port;
  return std::unexpected(node.error("expected one port between 1 and 65535, not " + quoted(text)));
}

Field<Cidr> read_cidr(const YamlNode &node) {
  const std::string text = TRY(node.as_string());
  const std::size_t slash = text.find('/');
  const std::string address = text.substr(0, slash);
  const auto ip = Ip::parse(address);
  // "::ffff:10.0.0.0/104" counts its bits as IPv6 does; with fewer than 96 it would be neither.
  const bool written_as_v4 = !address.contains(':');
  const unsigned offset = written_as_v4 ? v4_offset_bits : 0;
  unsigned bits = 128 - offset;
  const std::string_view digits =
      slash == std::string::npos ? std::string_view() : std::string_view(text).substr(slash + 1);
  const bool plain = digits.size() == 1 || !digits.starts_with('0');
  if (!ip || (slash != std::string::npos && (!plain || !read_number(digits, bits, bits))) ||
      (ip->is_v4() && bits + offset < v4_offset_bits)) {
    return std::unexpected(node.error(quoted(text) + " is neither an IP address nor a block of "
                                                     "them such as 10.0.0.0/8"));
  }
  Cidr cidr{*ip, static_cast<std::uint8_t>(bits + offset)};
  for (unsigned bit = cidr.bits; bit < 128; ++bit) {
    std::uint8_t &byte = cidr.base.bytes[bit / 8];
    byte = static_cast<std::uint8_t>(byte & ~(0x80U >> bit % 8));
  }
  return cidr;
}

}  // namespace

TrustDomains::TrustDomains(const MeshSettings &mesh) : names_(mesh.trust_domain_aliases) {
  names_.insert(names_.begin(), mesh.trust_domain);
}

std::vector<std::string> TrustDomains::of_principal(const std::string &written) const {
  // As in Istio: only the whole form TD/ns/NS/sa/SA names a trust domain.
  if (std::ranges::count(written, '/') != 4) return {written};
  const std::size_t slash = written.find('/');
  return expand(written.substr(0, slash), written.substr(slash));
}

std::vector<std::string> TrustDomains::of_trust_domain(const std::string &written) const {
  return expand(written, {});
}

std::vector<std::string> TrustDomains::expand(const std::string &trust_domain,
                                              const std::string &rest) const {
  const std::string written = trust_domain + rest;
  const auto is_suffix_of = [&](const std::string &name) {
    return trust_domain.starts_with('*') && name.ends_with(trust_domain.substr(1));
  };
  const auto is_ours = [&](const std::string &name) {
    return name == trust_domain || is_suffix_of(name);
  };
  const bool ours = trust_domain == "cluster.local" || std::ranges::any_of(names_, is_ours);
  if (trust_domain == "*" || !ours) return {written};
  std::vector<std::string> texts;
  for (const std::string &name : names_) {
    std::string text = is_suffix_of(name) ? written : name + rest;
    if (std::ranges::find(texts, text) == texts.end()) texts.push_back(std::move(text));
  }
  return texts;
}

Field<Condition> read_condition(const YamlNode &list, Attribute attribute, bool negated,
                                const ValueContext &context) {
  Condition condition{attribute, negated, {}, {}, {}};
  if (!list.is_list()) {
    return std::unexpected(list.error("expected a list, not " + list.describe()));
  }
  if (list.children().size() > values_max) {
    return std::unexpected(list.error("more than " + std::to_string(values_max) + " values"));
  }
  for (const auto &item : list.children()) {
    if (attribute == Attribute::destination_port) {
      condition.ports.push_back(TRY(read_port(*item)));
    } else if (attribute == Attribute::source_ip || attribute == Attribute::destination_ip) {
      condition.cidrs.push_back(TRY(read_cidr(*item)));
    } else {
      std::vector<StringMatch> matches = TRY(read_strings(*item, attribute, context));
      std::ranges::move(matches, std::back_inserter(condition.strings));
    }
  }
  return condition;
}

}  // namespace culvert
