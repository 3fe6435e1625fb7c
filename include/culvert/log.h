// SPDX-License-Identifier: Apache-2.0
// log: one event a line to stderr, for people (key=value) or for machines (JSON).
//
//   2026-01-02T03:04:05.678Z INFO pod captured pod=shop/web netns=/run/netns/web
//   {"time":"2026-01-02T03:04:05.678Z","level":"info","message":"pod
//   captured","pod":"shop/web",...}
//
// The control thread logs; data threads never do (they write may-drop events, report.h), since a
// slow stderr would hold them. Values may come from a peer: control characters and bytes that are
// no UTF-8 are escaped, so that no value can forge a line.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace culvert {

enum class LogLevel : std::uint8_t { debug, info, warn, error };
std::optional<LogLevel> parse_log_level(std::string_view text);  // "debug", "info", "warn", "error"

// One key and its value. Numbers and booleans are raw in JSON; text is quoted where it must be.
struct LogField {
  std::string_view key;  // a literal
  std::string value;
  bool raw = false;

  LogField(std::string_view k, std::string_view text) : key(k), value(text) {}
  LogField(std::string_view k, const std::string &text) : key(k), value(text) {}
  LogField(std::string_view k, const char *text) : key(k), value(text) {}
  LogField(std::string_view k, bool yes) : key(k), value(yes ? "true" : "false"), raw(true) {}
  LogField(std::string_view k, std::integral auto number)
      : key(k), value(std::to_string(number)), raw(true) {}
};

// Before the first event; without it: level info, key=value. Call again to change.
void set_up_log(LogLevel level, bool json);
bool log_enabled(LogLevel level);

// Any thread may call it; it may block on stderr.
void log_event(LogLevel level, std::string_view message, std::span<const LogField> fields);
inline void log_event(LogLevel level, std::string_view message,
                      std::initializer_list<LogField> fields = {}) {
  log_event(level, message, std::span<const LogField>(fields.begin(), fields.size()));
}

// The line log_event writes, without its newline.
struct LogLine {
  std::chrono::system_clock::time_point time;
  LogLevel level{};
  std::string_view message;
  std::span<const LogField> fields;
};
std::string format_text(const LogLine &line);
std::string format_json(const LogLine &line);

}  // namespace culvert
