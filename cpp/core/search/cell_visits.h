// Chooses the cells that each tile of a block of queries visits: first those around its queries' own places, then
// wider and wider around them. A tile visits no cell twice, and none that its queries cannot reach.
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

  // Begins with queries [begin, end) of `placed`, which visit nothing outside of `cells`.
  void start(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells);

  std::size_t tiles() const { return wanted_.size(); }

  // Counts the cells that a tile wanted before the last widening, with those that it could skip.
  std::size_t visited(std::size_t tile) const;

  // Returns so many cells around the place of a tile's middle query.
  Window around_tile(std::size_t tile, std::size_t width) const {
    const std::size_t first = tile * query_tile_, end = std::min(first + query_tile_, homes_.size());
    return around(homes_[(first + end) / 2], width);
  }

  // Wants so many cells around each query's own, except those that were wanted before.
  void widen(std::size_t width);

  // The runs of CellCaps::kRun cells that have wanted cells, in order.
  const std::vector<std::size_t>& runs() const { return runs_; }

  // Marks the cells of a run that the block can reach, where query i looks for similarities of at least
  // `similarities[i]`. Returns the cells of the run; wants() tells which of them a tile visits.
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
  std::vector<std::size_t> homes_;            // by query: the cell of its own place; ascending
  std::vector<std::vector<Window>> visited_;  // by tile: windows apart from each other, ascending
  std::vector<std::vector<Window>> wanted_;
  std::vector<std::size_t> runs_;
  AlignedBuffer<char> points_;  // points of the queries, packed for the caps
  std::vector<Reach> reaches_;
  std::vector<float> products_;
  std::vector<std::uint8_t> marks_;
};

}  // namespace latentknn
