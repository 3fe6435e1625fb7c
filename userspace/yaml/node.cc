// SPDX-License-Identifier: Apache-2.0
// What a node says about itself, and the core schema of plain scalars (YAML 1.2.2 section 10.3.2).
#include <charconv>

#include "culvert/yaml.h"

namespace culvert {
namespace {

constexpr std::size_t shown_max = 60;

bool is_bool(std::string_view text) {
  return text == "true" || text == "True" || text == "TRUE" || text == "false" || text == "False" ||
         text == "FALSE";
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// [-+]?[0-9]+ | 0o[0-7]+ | 0x[0-9a-fA-F]+
bool is_integer(std::string_view text) {
  if (text.starts_with("0x") && text.size() > 2) {
    return text.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string_view::npos;
  }
  if (text.starts_with("0o") && text.size() > 2) {
    return text.find_first_not_of("01234567", 2) == std::string_view::npos;
  }
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return is_digits(text);
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?  and .inf, .nan
bool is_float(std::string_view text) {
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return true;
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  if (text == ".inf" || text == ".Inf" || text == ".INF") return true;
  const std::size_t exponent = text.find_first_of("eE");
  if (exponent != std::string_view::npos) {
    std::string_view power = text.substr(exponent + 1);
    if (power.starts_with('-') || power.starts_with('+')) power.remove_prefix(1);
    if (!is_digits(power)) return false;
    text = text.substr(0, exponent);
  }
  const std::size_t point = text.find('.');
  if (point == std::string_view::npos) return is_digits(text);
  const std::string_view whole = text.substr(0, point), fraction = text.substr(point + 1);
  if (whole.empty()) return is_digits(fraction);
  return is_digits(whole) && (fraction.empty() || is_digits(fraction));
}

}  // namespace

std::string quoted(std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out = "'";
  for (const char c : text.substr(0, shown_max)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += "\\x";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  out += '\'';
  if (text.size() > shown_max) out += "...";
  return out;
}

std::string YamlNode::path() const {
  if (parent_ == nullptr) return {};
  std::string path = parent_->path();
  if (parent_->is_map()) {
    if (!path.empty()) path += '.';
    const bool plain = key_.find_first_not_of(
                           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
                       std::string::npos;
    return path + (plain && key_.size() <= shown_max ? key_ : "[" + quoted(key_) + "]");
  }
  std::size_t index = 0;
  while (parent_->children_[index].get() != this)
    ++index;
  return path + "[" + std::to_string(index) + "]";
}

const YamlNode *YamlNode::find(std::string_view key) const {
  if (!is_map()) return nullptr;
  for (const auto &child : children_) {
    if (child->key_ == key) return child.get();
  }
  return nullptr;
}

std::string YamlNode::describe() const {
  switch (kind_) {
    case Kind::null:
      return "nothing";
    case Kind::list:
      return "a list";
    case Kind::map:
      return "a map";
    case Kind::scalar:
      break;
  }
  if (quoted_) return "the string " + quoted(text_);
  if (is_bool(text_)) return "the boolean " + text_;
  if (is_integer(text_)) return "the integer " + quoted(text_);
  if (is_float(text_)) return "the number " + quoted(text_);
  return quoted(text_);
}

Result<std::string, YamlError> YamlNode::as_string() const {
  if (kind_ != Kind::scalar) return std::unexpected(error("expected a string, not " + describe()));
  if (!quoted_ && (is_bool(text_) || is_integer(text_) || is_float(text_))) {
    return std::unexpected(error("expected a string, not " + describe() + ": put it in quotes"));
  }
  return text_;
}

Result<bool, YamlError> YamlNode::as_bool() const {
  if (kind_ != Kind::scalar || quoted_ || !is_bool(text_)) {
    return std::unexpected(error("expected true or false, not " + describe()));
  }
  return text_[0] == 't' || text_[0] == 'T';
}

Result<std::int64_t, YamlError> YamlNode::as_integer(std::int64_t min, std::int64_t max) const {
  const std::string range = "between " + std::to_string(min) + " and " + std::to_string(max);
  if (kind_ != Kind::scalar || quoted_ || !is_integer(text_)) {
    return std::unexpected(error("expected an integer " + range + ", not " + describe()));
  }
  std::string_view digits = text_;
  int base = 10;
  if (digits.starts_with("0x") || digits.starts_with("0o")) {
    base = digits[1] == 'x' ? 16 : 8;
    digits.remove_prefix(2);
  }
  if (digits.starts_with('+')) digits.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, code] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (code != std::errc() || end != digits.data() + digits.size() || value < min || value > max) {
    return std::unexpected(error(quoted(text_) + " is not " + range));
  }
  return value;
}

}  // namespace culvert
