// SPDX-License-Identifier: Apache-2.0
#include "builder.h"

#include <yaml-cpp/mark.h>

#include <algorithm>

namespace culvert {
namespace {

int line_of(const YAML::Mark &mark) { return mark.line + 1; }

constexpr std::string_view core = "tag:yaml.org,2002:";

}  // namespace

void YamlBuilder::stop(int line, std::string text) const {
  throw YamlStop{
      {line, open_.empty() ? std::string() : open_.back().node->path(), std::move(text)}};
}

void YamlBuilder::OnDocumentStart(const YAML::Mark &mark) {
  root_.reset();
  open_.clear();
  // At a stray "," or "]" yaml-cpp 0.7 gives empty documents for ever, and reads nothing.
  if (mark.pos == document_start_) stop(line_of(mark), "not YAML: unexpected character");
  document_start_ = mark.pos;
  anchors_.clear();
  nodes_ = 0;
  scalars_bytes_ = 0;
}

void YamlBuilder::OnDocumentEnd() {
  if (root_ && !root_->is_null()) document_(*root_);
  root_.reset();
}

void YamlBuilder::count(int line, std::size_t depth, std::size_t size_bytes) {
  scalars_bytes_ += size_bytes;
  if (depth > limits_.depth_max) {
    stop(line, "nested deeper than " + std::to_string(limits_.depth_max) + " levels");
  }
  if (++nodes_ > limits_.nodes_max) {
    stop(line, "more than " + std::to_string(limits_.nodes_max) + " values in one document");
  }
  if (scalars_bytes_ > limits_.scalars_bytes) {
    stop(line,
         "more than " + std::to_string(limits_.scalars_bytes) + " bytes of text in one document");
  }
}

bool YamlBuilder::key_is_next() const {
  return !open_.empty() && open_.back().node->is_map() && !open_.back().has_key;
}

void YamlBuilder::take_key(int line, bool plain, const std::string &text) {
  if (plain && text == "<<") stop(line, "merge keys (<<) are not supported: write the fields out");
  open_.back().key = text;
  open_.back().key_line = line;
  open_.back().has_key = true;
}

YamlNode &YamlBuilder::add(YamlNode::Kind kind, int line, std::size_t size_bytes) {
  count(line, open_.size() + 1, size_bytes);
  auto node = std::make_unique<YamlNode>();
  YamlNode &added = *node;
  added.kind_ = kind;
  added.line_ = line;
  if (open_.empty()) {
    root_ = std::move(node);
    return added;
  }
  Open &parent = open_.back();
  added.parent_ = parent.node;
  if (parent.node->is_map()) {
    added.key_ = std::move(parent.key);
    added.line_ = parent.key_line;
    parent.has_key = false;
    scalars_bytes_ += added.key_.size();
  }
  parent.node->children_.push_back(std::move(node));
  return added;
}

void YamlBuilder::OnNull(const YAML::Mark &mark, YAML::anchor_t anchor) {
  if (key_is_next()) stop(line_of(mark), "a key is missing");
  const YamlNode &node = add(YamlNode::Kind::null, line_of(mark), 0);
  if (anchor != 0) anchors_[anchor] = &node;
}

void YamlBuilder::OnScalar(const YAML::Mark &mark, const std::string &tag, YAML::anchor_t anchor,
                           const std::string &value) {
  const int line = line_of(mark);
  if (value.find('\0') != std::string::npos) stop(line, "a NUL character in a string");
  const bool plain = tag.empty() || tag == "?";
  if (!plain && tag != "!" && !tag.starts_with(core)) stop(line, "unknown tag " + quoted(tag));
  if (key_is_next()) return take_key(line, plain, value);
  YamlNode &node = add(YamlNode::Kind::scalar, line, value.size());
  node.text_ = value;
  node.quoted_ = tag == "!" || tag == "tag:yaml.org,2002:str";
  if (anchor != 0) anchors_[anchor] = &node;
}

void YamlBuilder::open(YamlNode::Kind kind, int line, const std::string &tag,
                       YAML::anchor_t anchor) {
  if (key_is_next()) stop(line, "a key that is a list or a map: only strings are keys");
  if (!tag.empty() && tag != "?" && tag != "!" && !tag.starts_with(core)) {
    stop(line, "unknown tag " + quoted(tag));
  }
  YamlNode &node = add(kind, line, 0);
  open_.push_back({&node, anchor, false, {}, 0});
}

void YamlBuilder::OnSequenceStart(const YAML::Mark &mark, const std::string &tag,
                                  YAML::anchor_t anchor, YAML::EmitterStyle::value) {
  open(YamlNode::Kind::list, line_of(mark), tag, anchor);
}

void YamlBuilder::OnMapStart(const YAML::Mark &mark, const std::string &tag, YAML::anchor_t anchor,
                             YAML::EmitterStyle::value) {
  open(YamlNode::Kind::map, line_of(mark), tag, anchor);
}

void YamlBuilder::close() {
  YamlNode &node = *open_.back().node;
  if (node.is_map()) {
    std::vector<const YamlNode *> members;
    for (const auto &child : node.children_)
      members.push_back(child.get());
    std::ranges::sort(members, [](const YamlNode *a, const YamlNode *b) {
      return a->key() != b->key() ? a->key() < b->key() : a->line() < b->line();
    });
    const auto twice = std::ranges::adjacent_find(members, {}, &YamlNode::key);
    if (twice != members.end()) {
      stop((*(twice + 1))->line(), "the key " + quoted((*twice)->key()) +
                                       " is there twice, first in line " +
                                       std::to_string((*twice)->line()));
    }
  }
  if (open_.back().anchor != 0) anchors_[open_.back().anchor] = &node;
  open_.pop_back();
}

void YamlBuilder::OnAlias(const YAML::Mark &mark, YAML::anchor_t anchor) {
  const int line = line_of(mark);
  const auto found = anchors_.find(anchor);
  if (found == anchors_.end()) stop(line, "an alias to something that contains it");
  const YamlNode &from = *found->second;
  if (key_is_next()) {
    if (from.kind() != YamlNode::Kind::scalar) stop(line, "a key that is not a string");
    return take_key(line, !from.quoted_, from.text_);
  }
  YamlNode &to = add(from.kind(), line, from.text_.size());
  copy(from, to, open_.size() + 1);
}

// An alias becomes a copy, counted like everything else: a bomb reaches the limits, not the memory.
void YamlBuilder::copy(const YamlNode &from, YamlNode &to, std::size_t depth) {
  to.quoted_ = from.quoted_;
  to.text_ = from.text_;
  for (const auto &child : from.children_) {
    count(to.line_, depth + 1, child->text_.size() + child->key_.size());
    auto node = std::make_unique<YamlNode>();
    node->kind_ = child->kind_;
    node->line_ = child->line_;
    node->key_ = child->key_;
    node->parent_ = &to;
    copy(*child, *node, depth + 1);
    to.children_.push_back(std::move(node));
  }
}

}  // namespace culvert
