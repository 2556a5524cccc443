// Which cells each tile of a block of queries visits: first those around its queries' own places, then wider and
// wider around them, none twice, and none that its queries cannot reach.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernel_table.h"
#include "layout/cell_caps.h"
#include "layout/layout.h"
#include "platform/aligned_buffer.h"
#include "search/placed_queries.h"

namespace latentknn {

// Cells that follow each other.
struct Window {
  std::size_t begin;
  std::size_t end;
  bool contains(std::size_t i) const { return i >= begin && i < end; }
};

class CellVisits {
 public:
  CellVisits(const Layout& layout, std::size_t query_tile) : layout_(layout), query_tile_(query_tile) {}

  // For queries [begin, end) of `placed`; nothing outside of `cells` is visited.
  void start(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells);

  std::size_t tiles() const { return wanted_.size(); }

  // Cells that were wanted for a tile before the last widening, those that it could skip included.
  std::size_t visited(std::size_t tile) const;

  // So many cells around each query's own are wanted, but for those that were before.
  void widen(std::size_t width);

  // The runs of CellCaps::kRun cells that wanted ones are in, in order.
  const std::vector<std::size_t>& runs() const { return runs_; }

  // Takes a run, where query i of the block looks for similarities of at least `similarities[i]`. Returns its cells;
  // wants() tells which of them are wanted.
  Window enter(std::size_t run, const std::vector<double>& similarities);

  // Whether a tile visits a cell of the run that was entered last.
  bool wants(std::size_t cell, std::size_t tile) const {
    return (layout_.caps() == nullptr || marks_[tile * CellCaps::kRun + cell % CellCaps::kRun] != 0) &&
           contains(wanted_[tile], cell) && !contains(visited_[tile], cell);
  }

 private:
  static bool contains(const std::vector<Window>& windows, std::size_t cell) {
    return std::any_of(windows.begin(), windows.end(), [cell](const Window& window) { return window.contains(cell); });
  }
  Window around(std::size_t home, std::size_t width) const;

  const Layout& layout_;
  std::size_t query_tile_;
  Window cells_{0, 0};
  std::vector<std::size_t> homes_;            // of each query: the cell where to begin; ascending
  std::vector<std::vector<Window>> visited_;  // of each tile: apart from each other, and ascending
  std::vector<std::vector<Window>> wanted_;
  std::vector<std::size_t> runs_;
  AlignedBuffer<char> points_;  // of the queries, packed for the caps
  std::vector<Reach> reaches_;
  std::vector<float> products_;
  std::vector<std::uint8_t> marks_;
};

}  // namespace latentknn
