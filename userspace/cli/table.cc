// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <algorithm>

#include "culvert/result.h"

namespace culvert::cli {

void Table::add(std::vector<Cell> row) {
  ENSURE(row.size() == columns_.size());
  for (Cell &cell : row)
    cell.text = cell.text.empty() ? "-" : printable(cell.text);
  rows_.push_back(std::move(row));
}

std::string Table::text(const Palette &palette) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t widest = width(columns_[i].title);
    for (const auto &row : rows_)
      widest = std::max(widest, width(row[i].text));
    widths.push_back(widest);
  }
  std::string out;
  auto put = [&](std::size_t i, const std::string &text, Colour colour) {
    std::string padding(widths[i] - width(text), ' ');
    bool last = i + 1 == columns_.size();
    if (columns_[i].align == Align::right) out += padding;
    out += palette.paint(colour, text);
    if (columns_[i].align == Align::left && !last) out += padding;
    out += last ? "\n" : "  ";
  };
  for (std::size_t i = 0; i < columns_.size(); ++i)
    put(i, columns_[i].title, Colour::bold);
  for (const auto &row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i)
      put(i, row[i].text, row[i].colour);
  }
  return out;
}

}  // namespace culvert::cli
