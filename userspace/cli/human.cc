// SPDX-License-Identifier: Apache-2.0
#include "human.h"

#include <unistd.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace culvert::cli {
namespace {

std::string decimal(double value, std::string_view unit) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), value < 9.95 ? "%.1f%.*s" : "%.0f%.*s", value,
                static_cast<int>(unit.size()), unit.data());
  return text.data();
}

std::string two_units(std::int64_t count, std::int64_t small_per_large, std::string_view large,
                      std::string_view small) {
  std::string text = std::to_string(count / small_per_large) + std::string(large);
  std::int64_t rest = count % small_per_large;
  return rest == 0 ? text : text + std::to_string(rest) + std::string(small);
}

}  // namespace

std::string human_bytes(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  constexpr std::array<std::string_view, 6> units = {" KiB", " MiB", " GiB",
                                                     " TiB", " PiB", " EiB"};
  auto value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1023.5 && unit + 1 < units.size()) {
    value /= 1024;
    ++unit;
  }
  return decimal(value, units[unit]);
}

std::string human_duration(double seconds) {
  if (!std::isfinite(seconds)) return "?";
  if (seconds < 0) return "-" + human_duration(-seconds);
  if (seconds < 9.95) return decimal(seconds, "s");
  auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 60) return std::to_string(whole) + "s";
  if (whole < 3600) return two_units(whole, 60, "m", "s");
  if (whole < 86400) return two_units(whole / 60, 60, "h", "m");
  return two_units(whole / 3600, 24, "d", "h");
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  std::uint32_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (unit == "ms") return std::chrono::milliseconds(number);
  if (unit == "s") return std::chrono::seconds(number);
  if (unit == "m") return std::chrono::minutes(number);
  if (unit == "h") return std::chrono::hours(number);
  return std::nullopt;
}

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0U;
    if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {  // C1 control characters in UTF-8
      out += '?';
      ++i;
    } else {
      out += byte < 0x20 || byte == 0x7f ? '?' : text[i];
    }
  }
  return out;
}

std::size_t width(std::string_view text) {
  std::size_t columns = 0;
  for (char c : text)
    columns += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return columns;
}

Palette Palette::of_terminal(int fd) {
  const char *no_color = std::getenv("NO_COLOR"), *term = std::getenv("TERM");
  bool wanted = no_color == nullptr || *no_color == '\0';
  bool able = term != nullptr && std::string_view(term) != "dumb" && ::isatty(fd) == 1;
  return Palette(wanted && able);
}

std::string Palette::paint(Colour colour, std::string_view text) const {
  if (!on_ || colour == Colour::none) return std::string(text);
  constexpr std::array<std::string_view, 5> codes = {"0", "32", "33", "31", "1"};
  return "\x1b[" + std::string(codes[static_cast<std::size_t>(colour)]) + "m" + std::string(text) +
         "\x1b[0m";
}

}  // namespace culvert::cli
