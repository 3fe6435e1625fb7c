// SPDX-License-Identifier: Apache-2.0
// The edge: checks what yaml-cpp does not, and turns every exception into a YamlError.
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <exception>
#include <sstream>

#include "builder.h"
#include "culvert/yaml.h"

namespace culvert {
namespace {

// The length of the UTF-8 sequence at `text`, 0 if it is none (RFC 3629 section 4).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool second = continues(1, first == 0xe0 ? 0xa0 : 0x80, first == 0xed ? 0x9f : 0xbf);
    return second && continues(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool second = continues(1, first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf);
    return second && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

// yaml-cpp guesses UTF-16 and UTF-32 and replaces what it cannot read: only clean UTF-8 gets in.
Result<void, YamlError> check_text(std::string_view text, const YamlLimits &limits) {
  if (text.size() > limits.size_bytes) {
    return std::unexpected(
        YamlError{1, {}, "larger than " + std::to_string(limits.size_bytes) + " bytes"});
  }
  int line = 1;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return std::unexpected(YamlError{line, {}, "not UTF-8"});
    if (text.front() == '\0') return std::unexpected(YamlError{line, {}, "a NUL character"});
    if (text.front() == '\n') ++line;
    text.remove_prefix(length);
  }
  return {};
}

}  // namespace

Result<void, YamlError> parse_yaml(std::string_view text, const YamlLimits &limits,
                                   const std::function<void(const YamlNode &)> &document) {
  TRY(check_text(text, limits));
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    YamlBuilder builder(limits, document);
    while (parser.HandleNextDocument(builder)) {
    }
    return {};
  } catch (const YamlStop &stop) {
    return std::unexpected(stop.error);
  } catch (const YAML::Exception &exception) {
    const int line = exception.mark.is_null() ? 1 : exception.mark.line + 1;
    return std::unexpected(YamlError{line, {}, "not YAML: " + exception.msg});
  } catch (const std::exception &exception) {
    return std::unexpected(YamlError{1, {}, std::string("not YAML: ") + exception.what()});
  }
}

}  // namespace culvert
