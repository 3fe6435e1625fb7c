// SPDX-License-Identifier: Apache-2.0
// log.cc: lines are made here, spdlog carries them to stderr.
#include "culvert/log.h"

#define SPDLOG_NO_EXCEPTIONS
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <array>
#include <cstdio>
#include <ctime>
#include <memory>

namespace culvert {
namespace {

struct Log {
  spdlog::logger logger{"culvert", std::make_shared<spdlog::sinks::stderr_sink_mt>()};
  bool json = false;

  Log() {
    logger.set_pattern("%v");
    logger.set_level(spdlog::level::info);
    logger.flush_on(spdlog::level::trace);
  }
};

Log &the_log() {
  static Log log;
  return log;
}

constexpr std::array<std::string_view, 4> level_names = {"debug", "info", "warn", "error"};
constexpr std::array<std::string_view, 4> level_words = {"DEBUG", "INFO", "WARN", "ERROR"};
constexpr std::array<spdlog::level::level_enum, 4> spdlog_levels = {
    spdlog::level::debug, spdlog::level::info, spdlog::level::warn, spdlog::level::err};

std::size_t index(LogLevel level) { return static_cast<std::size_t>(level); }

std::string utc_milliseconds(std::chrono::system_clock::time_point time) {
  auto since = std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch();
  auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  std::time_t unix_seconds = seconds.count();
  std::tm parts{};
  gmtime_r(&unix_seconds, &parts);
  std::array<char, 40> text{};
  std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text.data() + size, text.size() - size, ".%03dZ",
                static_cast<int>((since - seconds).count()));
  return text.data();
}

// Length of the UTF-8 sequence at the front of `text` (RFC 3629), 0 if there is none.
std::size_t utf8_size(std::string_view text) {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char first = byte(0);
  if (first < 0x80) return 1;
  std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  bool surrogate = first == 0xed && byte(1) > 0x9f;
  bool too_large = first == 0xf4 && byte(1) > 0x8f;
  return overlong || surrogate || too_large ? 0 : size;
}

// As in JSON (RFC 8259 section 7); a byte that is no UTF-8 appears as the character of its number.
void append_quoted(std::string &out, std::string_view text) {
  auto escape = [&](unsigned char byte) {
    std::array<char, 8> hex{};
    std::snprintf(hex.data(), hex.size(), "\\u%04x", byte);
    out += hex.data();
  };
  out += '"';
  while (!text.empty()) {
    std::size_t size = utf8_size(text);
    auto byte = static_cast<unsigned char>(text.front());
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += text.front();
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f || size == 0) {
      escape(byte);
    } else if (byte == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0) {
      escape(static_cast<unsigned char>(text[1]));  // C1 control characters: terminals obey some
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  out += '"';
}

bool is_bare_word(std::string_view text) {
  for (char c : text) {
    if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=') return false;
  }
  return !text.empty();
}

}  // namespace

std::optional<LogLevel> parse_log_level(std::string_view text) {
  for (std::size_t i = 0; i < level_names.size(); ++i) {
    if (text == level_names[i]) return static_cast<LogLevel>(i);
  }
  return std::nullopt;
}

void set_up_log(LogLevel level, bool json) {
  the_log().json = json;
  the_log().logger.set_level(spdlog_levels[index(level)]);
}

bool log_enabled(LogLevel level) {
  return the_log().logger.should_log(spdlog_levels[index(level)]);
}

void log_event(LogLevel level, std::string_view message, std::span<const LogField> fields) {
  if (!log_enabled(level)) return;
  LogLine line{std::chrono::system_clock::now(), level, message, fields};
  std::string text = the_log().json ? format_json(line) : format_text(line);
  the_log().logger.log(spdlog_levels[index(level)], spdlog::string_view_t(text));
}

std::string format_text(const LogLine &line) {
  std::string out = utc_milliseconds(line.time);
  out += ' ';
  out += level_words[index(line.level)];
  out += ' ';
  out += line.message;
  for (const LogField &field : line.fields) {
    out += ' ';
    out += field.key;
    out += '=';
    if (field.raw || is_bare_word(field.value)) {
      out += field.value;
    } else {
      append_quoted(out, field.value);
    }
  }
  return out;
}

std::string format_json(const LogLine &line) {
  std::string out = R"({"time":")" + utc_milliseconds(line.time) + R"(","level":")";
  out += level_names[index(line.level)];
  out += R"(","message":)";
  append_quoted(out, line.message);
  for (const LogField &field : line.fields) {
    out += ',';
    append_quoted(out, field.key);
    out += ':';
    if (field.raw) {
      out += field.value;
    } else {
      append_quoted(out, field.value);
    }
  }
  return out + '}';
}

}  // namespace culvert
