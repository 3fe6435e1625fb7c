// SPDX-License-Identifier: Apache-2.0
// Readers of single values, each with what it accepts. An error is a YamlError whose text is
// "cause; accepted: …".
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/yaml.h"

namespace culvert {

template <class T>
using Field = Result<T, YamlError>;

std::unexpected<YamlError> refuse(const YamlNode &node, const std::string &cause,
                                  const std::string &accepted);

// A map whose every key is in `members`; each is given to its reader, which says where it is to go.
struct Member {
  std::string_view key;
  std::function<Field<void>(const YamlNode &)> read;
};
Field<void> read_map(const YamlNode &node, const std::vector<Member> &members);

// A reader that stores what `read` answers.
template <class T, class Read>
std::function<Field<void>(const YamlNode &)> into(T &target, Read read) {
  return [&target, read](const YamlNode &node) -> Field<void> {
    auto value = read(node);
    if (!value) return std::unexpected(value.error());
    target = *std::move(value);
    return {};
  };
}

struct DurationRange {
  std::chrono::nanoseconds min, max, step;  // step: the finest difference that is kept
};
Field<std::chrono::nanoseconds> read_duration(const YamlNode &node, const DurationRange &range);
Field<std::int64_t> read_integer(const YamlNode &node, std::int64_t min, std::int64_t max);
Field<bool> read_bool(const YamlNode &node);
Field<std::string> read_choice(const YamlNode &node, const std::vector<std::string_view> &choices);
Field<std::string> read_name(const YamlNode &node);  // DNS subdomain, RFC 1123
Field<std::string> read_namespace(const YamlNode &node);  // DNS label, RFC 1123
Field<std::string> read_trust_domain(const YamlNode &node);  // SPIFFE-ID.md section 2.1
Field<std::vector<std::string>> read_trust_domains(const YamlNode &node);
// An absolute path without "." and ".." parts, at most `size_max` bytes.
Field<std::string> read_path(const YamlNode &node, std::size_t size_max);
Field<std::string> read_listen(const YamlNode &node);  // ADDRESS:PORT

}  // namespace culvert
