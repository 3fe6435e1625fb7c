// SPDX-License-Identifier: Apache-2.0
// table: aligned columns, two spaces between them, nothing behind the last.
#pragma once

#include <string>
#include <vector>

#include "human.h"

namespace culvert::cli {

struct Cell {
  std::string text;
  Colour colour = Colour::none;

  // NOLINTBEGIN(google-explicit-constructor): a row is a list of words, some of them coloured
  Cell(std::string words, Colour c = Colour::none) : text(std::move(words)), colour(c) {}
  Cell(const char *words) : text(words) {}
  // NOLINTEND(google-explicit-constructor)
};

class Table {
 public:
  enum class Align : std::uint8_t { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<Cell> row);  // one cell a column; an empty text shows as "-"
  std::string text(const Palette &palette) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace culvert::cli
