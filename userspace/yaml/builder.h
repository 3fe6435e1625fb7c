// SPDX-License-Identifier: Apache-2.0
// YamlBuilder turns yaml-cpp's events into a tree, within limits.
#pragma once

#include <yaml-cpp/eventhandler.h>

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "culvert/yaml.h"

namespace culvert {

// Thrown out of an event to stop yaml-cpp; caught by parse_yaml, never seen outside the room.
struct YamlStop {
  YamlError error;
};

class YamlBuilder : public YAML::EventHandler {
 public:
  YamlBuilder(const YamlLimits &limits, const std::function<void(const YamlNode &)> &document)
      : limits_(limits), document_(document) {}

  void OnDocumentStart(const YAML::Mark &mark) override;
  void OnDocumentEnd() override;
  void OnNull(const YAML::Mark &mark, YAML::anchor_t anchor) override;
  void OnAlias(const YAML::Mark &mark, YAML::anchor_t anchor) override;
  void OnScalar(const YAML::Mark &mark, const std::string &tag, YAML::anchor_t anchor,
                const std::string &value) override;
  void OnSequenceStart(const YAML::Mark &mark, const std::string &tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override;
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark &mark, const std::string &tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override;
  void OnMapEnd() override { close(); }

 private:
  struct Open {  // a list or map whose end has not come
    YamlNode *node;
    YAML::anchor_t anchor;
    bool has_key = false;  // map: the key came, its value is next
    std::string key;
    int key_line = 0;
  };

  bool key_is_next() const;
  void take_key(int line, bool plain, const std::string &text);
  YamlNode &add(YamlNode::Kind kind, int line, std::size_t size_bytes);
  void open(YamlNode::Kind kind, int line, const std::string &tag, YAML::anchor_t anchor);
  void close();
  void copy(const YamlNode &from, YamlNode &to, std::size_t depth);
  void count(int line, std::size_t depth, std::size_t size_bytes);
  [[noreturn]] void stop(int line, std::string text) const;

  const YamlLimits &limits_;
  const std::function<void(const YamlNode &)> &document_;
  std::unique_ptr<YamlNode> root_;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, const YamlNode *> anchors_;  // ended ones
  int document_start_ = -1;  // of the last document: its position in the text
  std::size_t nodes_ = 0;
  std::size_t scalars_bytes_ = 0;
};

}  // namespace culvert
