// SPDX-License-Identifier: Apache-2.0
#include "duration.h"

#include <array>
#include <cstdint>
#include <utility>

namespace culvert {
namespace {

using Unit = std::pair<std::string_view, std::int64_t>;  // nanoseconds
constexpr std::array<Unit, 6> units = {{{"h", 3'600'000'000'000},
                                        {"m", 60'000'000'000},
                                        {"s", 1'000'000'000},
                                        {"ms", 1'000'000},
                                        {"us", 1'000},
                                        {"ns", 1}}};

// Takes digits from the front of `text` as a number; false: it overflows.
bool take_digits(std::string_view &text, std::int64_t &value) {
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    if (__builtin_mul_overflow(value, 10, &value) ||
        __builtin_add_overflow(value, text.front() - '0', &value)) {
      return false;
    }
    text.remove_prefix(1);
  }
  return true;
}

// Takes the unit: the letters up to the next digit.
std::int64_t take_unit(std::string_view &text) {
  const std::string_view letters = text.substr(0, text.find_first_of("0123456789."));
  text.remove_prefix(letters.size());
  for (const auto &[name, nanoseconds] : units) {
    if (letters == name) return nanoseconds;
  }
  return 0;
}

// Takes one "1.5h" and adds it to `sum`.
bool take_part(std::string_view &text, std::int64_t &sum) {
  std::int64_t whole = 0, fraction = 0, scale = 1;
  const std::size_t before = text.size();
  if (!take_digits(text, whole) || text.size() == before) return false;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    const std::size_t fraction_before = text.size();
    if (!take_digits(text, fraction)) return false;
    const std::size_t digits = fraction_before - text.size();
    if (digits == 0 || digits > 9) return false;
    for (std::size_t i = 0; i < digits; ++i)
      scale *= 10;
  }
  const std::int64_t unit = take_unit(text);
  std::int64_t part = 0;
  if (unit == 0 || __builtin_mul_overflow(whole, unit, &part)) return false;
  std::int64_t small = 0;
  if (__builtin_mul_overflow(fraction, unit, &small) || small % scale != 0) return false;
  return !__builtin_add_overflow(part, small / scale, &part) &&
         !__builtin_add_overflow(sum, part, &sum);
}

}  // namespace

std::optional<std::chrono::nanoseconds> parse_go_duration(std::string_view text) {
  if (text == "0") return std::chrono::nanoseconds(0);
  if (text.empty()) return std::nullopt;
  std::int64_t sum = 0;
  while (!text.empty()) {
    if (!take_part(text, sum)) return std::nullopt;
  }
  return std::chrono::nanoseconds(sum);
}

std::string duration_text(std::chrono::nanoseconds duration) {
  std::string text;
  std::int64_t rest = duration.count();
  for (const auto &[name, nanoseconds] : units) {
    if (rest < nanoseconds) continue;
    text += std::to_string(rest / nanoseconds);
    text += name;
    rest %= nanoseconds;
  }
  return text.empty() ? "0s" : text;
}

}  // namespace culvert
