// SPDX-License-Identifier: Apache-2.0
#include "fields.h"

#include <algorithm>

namespace culvert {
namespace {

constexpr std::string_view lower_and_digits = "abcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::size_t uid_max = 128;
constexpr std::size_t label_key_max = 317;  // prefix 253, slash, name 63
constexpr std::size_t label_value_max = 63;
constexpr std::size_t annotation_value_max = std::size_t{256} << 10;  // Kubernetes: all together

bool is_label(std::string_view text) {
  if (text.empty() || text.size() > 63 || text.front() == '-' || text.back() == '-') return false;
  return std::ranges::all_of(text, [](char c) { return c == '-' || lower_and_digits.contains(c); });
}

// "2026-11-21T06:45:00Z", with or without a fraction. One time zone only, so that text compares.
bool is_timestamp(std::string_view text) {
  constexpr std::string_view form = "0000-00-00T00:00:00";
  if (text.size() <= form.size() || text.size() > form.size() + 11 || text.back() != 'Z') {
    return false;
  }
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  for (std::size_t i = 0; i < form.size(); ++i) {
    if (form[i] == '0' ? !is_digit(text[i]) : text[i] != form[i]) return false;
  }
  const std::string_view fraction = text.substr(form.size(), text.size() - form.size() - 1);
  return fraction.empty() || (fraction.size() > 1 && fraction.front() == '.' &&
                              std::ranges::all_of(fraction.substr(1), is_digit));
}

Field<const YamlNode *> of_kind(const YamlNode *node, std::string_view key, YamlNode::Kind kind,
                                const char *expected) {
  const YamlNode *found = member(node, key);
  if (found == nullptr || found->kind() == kind) return found;
  return std::unexpected(
      found->error(std::string("expected ") + expected + ", not " + found->describe()));
}

}  // namespace

bool is_name(std::string_view text, NameRule rule) {
  if (rule == NameRule::label) return is_label(text);
  if (text.size() > 253) return false;
  for (;;) {
    const std::size_t dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

const YamlNode *member(const YamlNode *node, std::string_view key) {
  const YamlNode *found = node == nullptr ? nullptr : node->find(key);
  return found == nullptr || found->is_null() ? nullptr : found;
}

Field<const YamlNode *> map_at(const YamlNode *node, std::string_view key) {
  return of_kind(node, key, YamlNode::Kind::map, "a map");
}

Field<const YamlNode *> list_at(const YamlNode *node, std::string_view key) {
  return of_kind(node, key, YamlNode::Kind::list, "a list");
}

Field<std::string> string_at(const YamlNode *node, std::string_view key) {
  const YamlNode *found = member(node, key);
  if (found == nullptr) return std::string();
  return found->as_string();
}

Field<bool> bool_at(const YamlNode *node, std::string_view key, bool absent) {
  const YamlNode *found = member(node, key);
  if (found == nullptr) return absent;
  return found->as_bool();
}

Field<std::uint16_t> port_at(const YamlNode *node, std::string_view key) {
  const YamlNode *found = member(node, key);
  if (found == nullptr) return std::unexpected(node->error(std::string(key) + " is missing"));
  return static_cast<std::uint16_t>(TRY(found->as_integer(1, 65535)));
}

Field<std::string> name_at(const YamlNode *node, std::string_view key, NameRule rule) {
  std::string text = TRY(string_at(node, key));
  if (text.empty() || is_name(text, rule)) return text;
  return std::unexpected(member(node, key)->error(
      quoted(text) + " is no name: accepted are a-z, 0-9, '-'" +
      (rule == NameRule::label ? ", at most 63 characters"
                               : " and '.', at most 253 characters, 63 between dots")));
}

Field<Ip> ip_of(const YamlNode &node) {
  const std::string text = TRY(node.as_string());
  const auto ip = Ip::parse(text);
  if (!ip) return std::unexpected(node.error(quoted(text) + " is no IP address"));
  const bool multicast = ip->is_v4() ? (ip->bytes[12] >= 224) : ip->bytes[0] == 0xff;
  const bool zero_v4 = ip->is_v4() && ip->bytes[12] == 0;
  if (ip->is_loopback() || ip->is_unspecified() || multicast || zero_v4) {
    return std::unexpected(node.error(quoted(text) + " is not an address of one host"));
  }
  return *ip;
}

Field<Labels> strings_at(const YamlNode *node, std::string_view key, std::size_t value_max) {
  Labels labels;
  const YamlNode *map = TRY(map_at(node, key));
  if (map == nullptr) return labels;
  for (const auto &child : map->children()) {
    if (child->key().size() > label_key_max) {
      return std::unexpected(
          child->error("the key is longer than " + std::to_string(label_key_max) + " characters"));
    }
    std::string value = child->is_null() ? std::string() : TRY(child->as_string());
    if (value.size() > value_max) {
      return std::unexpected(
          child->error("the value is longer than " + std::to_string(value_max) + " characters"));
    }
    labels.emplace(child->key(), std::move(value));
  }
  return labels;
}

Field<std::string> created_at(const YamlNode *metadata) {
  std::string created = TRY(string_at(metadata, "creationTimestamp"));
  if (created.empty()) return created;
  if (!is_timestamp(created)) {
    return std::unexpected(
        member(metadata, "creationTimestamp")
            ->error(quoted(created) + " is no time: accepted is 2026-11-21T06:45:00Z"));
  }
  created.pop_back();
  return created;
}

Field<Metadata> read_metadata(const YamlNode &object, const std::string &kind) {
  const YamlNode *node = TRY(map_at(&object, "metadata"));
  if (node == nullptr) return std::unexpected(object.error("metadata is missing"));
  Metadata metadata;
  metadata.kind = kind;
  metadata.line = node->line();
  metadata.labels = TRY(strings_at(node, "labels", label_value_max));
  metadata.annotations = TRY(strings_at(node, "annotations", annotation_value_max));
  metadata.uid = TRY(string_at(node, "uid"));
  if (metadata.uid.size() > uid_max) {
    return std::unexpected(member(node, "uid")->error("longer than 128 characters"));
  }
  metadata.created = TRY(created_at(node));
  return metadata;
}

Field<MeshChoice> mesh_choice(const YamlNode &object, const Labels &labels) {
  struct Label {
    std::string_view key, yes, no;
  };
  static constexpr Label known[] = {{"culvert.dev/mesh", "enabled", "disabled"},
                                    {"istio.io/dataplane-mode", "ambient", "none"}};
  MeshChoice choice;
  for (const Label &label : known) {
    const auto found = labels.find(label.key);
    if (found == labels.end()) continue;
    if (found->second != label.yes && found->second != label.no) {
      const YamlNode *node = member(member(member(&object, "metadata"), "labels"), label.key);
      return std::unexpected((node == nullptr ? object : *node)
                                 .error("unknown value " + quoted(found->second) +
                                        ": accepted are " + std::string(label.yes) + ", " +
                                        std::string(label.no)));
    }
    if (!choice) choice = found->second == label.yes;
  }
  return choice;
}

}  // namespace culvert
