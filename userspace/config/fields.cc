// SPDX-License-Identifier: Apache-2.0
#include "fields.h"

#include <algorithm>
#include <charconv>

#include "culvert/address.h"
#include "duration.h"

namespace culvert {
namespace {

constexpr std::string_view lower_and_digits = "abcdefghijklmnopqrstuvwxyz0123456789";

std::string list_text(const std::vector<std::string_view> &words) {
  std::string text;
  for (const std::string_view word : words) {
    if (!text.empty()) text += ", ";
    text += word;
  }
  return text;
}

bool is_label(std::string_view text) {  // RFC 1123
  if (text.empty() || text.size() > 63 || text.front() == '-' || text.back() == '-') return false;
  return std::ranges::all_of(text, [](char c) { return c == '-' || lower_and_digits.contains(c); });
}

bool is_subdomain(std::string_view text) {
  if (text.size() > 253) return false;
  for (;;) {
    const std::size_t dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_clean_path(std::string_view text) {
  if (!text.starts_with('/') || (text.size() > 1 && text.ends_with('/'))) return false;
  for (std::size_t at = 0; at < text.size() && text.size() > 1;) {
    const std::size_t next = std::min(text.find('/', at + 1), text.size());
    const std::string_view part = text.substr(at + 1, next - at - 1);
    if (part.empty() || part == "." || part == "..") return false;
    at = next;
  }
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x20; });
}

Field<std::string> string_of(const YamlNode &node, const std::string &accepted) {
  auto text = node.as_string();
  if (!text) return refuse(node, text.error().text, accepted);
  return *std::move(text);
}

}  // namespace

std::unexpected<YamlError> refuse(const YamlNode &node, const std::string &cause,
                                  const std::string &accepted) {
  return std::unexpected(node.error(cause + "; accepted: " + accepted));
}

Field<void> read_map(const YamlNode &node, const std::vector<Member> &members) {
  std::vector<std::string_view> keys;
  keys.reserve(members.size());
  for (const Member &member : members)
    keys.push_back(member.key);
  if (!node.is_map()) {
    return refuse(node, "expected a map, not " + node.describe(),
                  "a map with the keys " + list_text(keys));
  }
  for (const auto &child : node.children()) {
    const auto member = std::ranges::find(members, child->key(), &Member::key);
    if (member == members.end()) return refuse(*child, "unknown key", list_text(keys));
    TRY(member->read(*child));
  }
  return {};
}

Field<std::chrono::nanoseconds> read_duration(const YamlNode &node, const DurationRange &range) {
  const std::string accepted = "a duration such as 10s, 1m30s, 500ms or 1h, from " +
                               duration_text(range.min) + " to " + duration_text(range.max);
  const auto duration = parse_go_duration(node.scalar());
  if (!duration || node.kind() != YamlNode::Kind::scalar) {
    return refuse(node, "expected a duration, not " + node.describe(), accepted);
  }
  if (*duration < range.min || *duration > range.max) {
    return refuse(node, quoted(node.scalar()) + " is out of range", accepted);
  }
  if (*duration % range.step != std::chrono::nanoseconds(0)) {
    return refuse(node, quoted(node.scalar()) + " is finer than " + duration_text(range.step),
                  accepted);
  }
  return *duration;
}

Field<std::int64_t> read_integer(const YamlNode &node, std::int64_t min, std::int64_t max) {
  const auto value = node.as_integer(min, max);
  if (value) return *value;
  const bool is_scalar = node.kind() == YamlNode::Kind::scalar;
  return refuse(node, (is_scalar ? quoted(node.scalar()) : node.describe()) + " is not acceptable",
                "an integer from " + std::to_string(min) + " to " + std::to_string(max));
}

Field<bool> read_bool(const YamlNode &node) {
  const auto value = node.as_bool();
  if (!value) return refuse(node, value.error().text, "true, false");
  return *value;
}

Field<std::string> read_choice(const YamlNode &node, const std::vector<std::string_view> &choices) {
  std::string text = TRY(string_of(node, list_text(choices)));
  if (std::ranges::find(choices, text) == choices.end()) {
    return refuse(node, "unknown value " + quoted(text), list_text(choices));
  }
  return text;
}

Field<std::string> read_name(const YamlNode &node) {
  const std::string accepted =
      "a Kubernetes name (a-z, 0-9, '-', '.'; at most 253 characters, 63 between dots)";
  std::string text = TRY(string_of(node, accepted));
  if (!is_subdomain(text)) return refuse(node, quoted(text) + " is not a name", accepted);
  return text;
}

Field<std::string> read_namespace(const YamlNode &node) {
  const std::string accepted = "a Kubernetes namespace (a-z, 0-9, '-'; at most 63 characters)";
  std::string text = TRY(string_of(node, accepted));
  if (!is_label(text)) return refuse(node, quoted(text) + " is not a namespace", accepted);
  return text;
}

Field<std::string> read_trust_domain(const YamlNode &node) {
  const std::string accepted =
      "a SPIFFE trust domain (a-z, 0-9, '.', '-', '_'; at most 255 characters)";
  std::string text = TRY(string_of(node, accepted));
  const bool legal = !text.empty() && text.size() <= 255 && std::ranges::all_of(text, [](char c) {
    return c == '.' || c == '-' || c == '_' || lower_and_digits.contains(c);
  });
  if (!legal) return refuse(node, quoted(text) + " is not a trust domain", accepted);
  return text;
}

Field<std::vector<std::string>> read_trust_domains(const YamlNode &node) {
  if (!node.is_list()) {
    return refuse(node, "expected a list, not " + node.describe(), "a list of trust domains");
  }
  std::vector<std::string> domains;
  for (const auto &item : node.children()) {
    std::string domain = TRY(read_trust_domain(*item));
    if (std::ranges::find(domains, domain) != domains.end()) {
      return refuse(*item, quoted(domain) + " is there twice", "each trust domain once");
    }
    domains.push_back(std::move(domain));
  }
  return domains;
}

Field<std::string> read_path(const YamlNode &node, std::size_t size_max) {
  const std::string accepted =
      "an absolute path without '.', '..', '//' and trailing '/', at most " +
      std::to_string(size_max) + " bytes";
  std::string text = TRY(string_of(node, accepted));
  if (!is_clean_path(text) || text.size() > size_max) {
    return refuse(node, quoted(text) + " is not such a path", accepted);
  }
  return text;
}

Field<std::string> read_listen(const YamlNode &node) {
  const std::string accepted = "ADDRESS:PORT, such as 127.0.0.1:15020 or [::1]:15020";
  std::string text = TRY(string_of(node, accepted));
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return refuse(node, quoted(text) + " has no port", accepted);
  std::string_view address = std::string_view(text).substr(0, colon);
  const std::string_view port = std::string_view(text).substr(colon + 1);
  const bool bracketed = address.starts_with('[') && address.ends_with(']');
  if (bracketed) address = address.substr(1, address.size() - 2);
  const auto ip = Ip::parse(address);
  if (!ip || bracketed != address.contains(':')) {
    return refuse(node, quoted(text) + " has no IP address", accepted);
  }
  std::uint16_t number = 0;
  const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (code != std::errc() || end != port.data() + port.size() || number == 0) {
    return refuse(node, quoted(text) + " has no port between 1 and 65535", accepted);
  }
  return text;
}

}  // namespace culvert
