// SPDX-License-Identifier: Apache-2.0
// human: numbers, times and words as a person reads them on a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace culvert::cli {

std::string human_bytes(std::uint64_t bytes);     // "0 B", "1023 B", "1.0 KiB", "117 MiB"
std::string human_duration(double seconds);  // "0.3s", "59s", "5m12s", "3h4m", "12d3h"; "-3s"
std::optional<std::chrono::milliseconds> parse_duration(
    std::string_view text);  // "500ms" "30s" "5m"

// Without control characters: what the daemon passes on may come from a peer or a file, and must
// not reach the terminal's own commands.
std::string printable(std::string_view text);
std::size_t width(std::string_view text);  // columns: UTF-8 characters

enum class Colour : std::uint8_t { none, green, yellow, red, bold };
// Palette paints words, or leaves them as they are.
class Palette {
 public:
  explicit Palette(bool on) : on_(on) {}
  static Palette of_terminal(int fd);  // on: a terminal, TERM is not dumb, NO_COLOR not set
  std::string paint(Colour colour, std::string_view text) const;

 private:
  bool on_;
};

}  // namespace culvert::cli
