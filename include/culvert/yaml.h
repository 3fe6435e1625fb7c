// SPDX-License-Identifier: Apache-2.0
// yaml: YAML text as a tree of typed values that know where they stand. The only user of yaml-cpp;
// nothing throws across this door.
//
// Every document is bounded (YamlLimits), whatever its anchors and aliases expand to. Refused, with
// the line: duplicate keys, keys that are no scalars, merge keys (<<), aliases to themselves, tags
// other than YAML's own, a NUL character, bytes that are not UTF-8.
// Plain scalars mean what YAML 1.2's core schema says: `true` and `12` are no strings; a quoted
// scalar is a string whatever it looks like.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "culvert/result.h"

namespace culvert {

// What is wrong, and where: line from 1, path as "spec.ports[0].port" (empty: the document).
struct YamlError {
  int line = 0;
  std::string path;
  std::string text;
};

struct YamlLimits {
  std::size_t size_bytes = std::size_t{16} << 20;  // of the whole text
  std::size_t nodes_max = 200'000;  // of one document, aliases expanded
  std::size_t scalars_bytes = std::size_t{16} << 20;  // of one document, aliases expanded
  unsigned depth_max = 64;
};

class YamlNode {
 public:
  enum class Kind : std::uint8_t { null, scalar, list, map };
  using Children = std::vector<std::unique_ptr<YamlNode>>;

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::null; }
  bool is_list() const { return kind_ == Kind::list; }
  bool is_map() const { return kind_ == Kind::map; }
  int line() const { return line_; }  // of its key, in a map
  const std::string &key() const { return key_; }  // empty outside a map
  const Children &children() const { return children_; }  // items or members, in order
  std::string path() const;
  // The member of a map; null if there is none or this is no map.
  const YamlNode *find(std::string_view key) const;

  Result<std::string, YamlError> as_string() const;
  Result<bool, YamlError> as_bool() const;
  // An integer between `min` and `max`, both included.
  Result<std::int64_t, YamlError> as_integer(std::int64_t min, std::int64_t max) const;
  // A scalar as it was written, quoted or not; empty for anything else.
  const std::string &scalar() const { return text_; }
  YamlError error(std::string text) const { return {line_, path(), std::move(text)}; }
  // "a list", "the string 'x'", "the integer 12": for messages.
  std::string describe() const;

 private:
  friend class YamlBuilder;
  Kind kind_ = Kind::null;
  bool quoted_ = false;
  int line_ = 0;
  std::string key_, text_;
  const YamlNode *parent_ = nullptr;
  Children children_;
};

// Calls `document` for each document of `text` in order, with its root; empty documents are left
// out. On an error the documents before it have been given already.
Result<void, YamlError> parse_yaml(std::string_view text, const YamlLimits &limits,
                                   const std::function<void(const YamlNode &)> &document);

// `text` in single quotes, on one line, cut to a readable length: for messages about input.
std::string quoted(std::string_view text);

}  // namespace culvert
