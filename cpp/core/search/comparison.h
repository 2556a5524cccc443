// The first stage of a block's search: tiles of queries are compared with cells of rows, each tile on its rung, and
// what the screens leave is handed to the second stage. It counts how much that is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernel_table.h"
#include "layout/layout.h"
#include "platform/aligned_buffer.h"
#include "search/place_set.h"
#include "search/rescoring.h"
#include "search/tile_ladder.h"

namespace latentknn {

class Comparison {
 public:
  Comparison(const Layout& layout, const PlaceSet& unscreened, TileLadder& ladder, Rescoring& rescoring);

  // Takes on the block of queries that the ladder has taken on.
  void start(std::size_t queries);

  void reset_counts();

  // A tile is to be compared with a cell on a rung, not before the cells that were wanted on it so far.
  void want(std::size_t cell, std::size_t tile, std::size_t rung);
  // Compares what is wanted on a rung.
  void compare(std::size_t rung);
  // The same, but rows that are left are only counted.
  void try_out(std::size_t rung);

  // Of a tile's pairs that were compared since the counts were reset, the share that screening has left.
  double left_share(std::size_t tile) const;
  bool compared_any(std::size_t tile) const { return compared_[tile] > 0; }

  // Pairs that were compared for the block, and those of them on finer rungs than the one that searches begin on.
  std::uint64_t screened_rows() const { return screened_rows_; }
  std::uint64_t finer_rows() const { return finer_rows_; }

 private:
  std::size_t compare_on(std::size_t rung, bool hands_on);
  void take_hits();

  const Layout& layout_;
  const PlaceSet& unscreened_;
  TileLadder& ladder_;
  Rescoring& rescoring_;
  AlignedBuffer<Hit> hits_;
  ScreenTask task_{};
  std::size_t rung_ = 0;               // that the task's hits come from
  bool hands_on_ = false;              // whether hits become candidates
  std::vector<std::size_t> compared_;  // by tile: pairs
  std::vector<std::size_t> left_;      // by query: pairs that screening has left
  std::uint64_t screened_rows_ = 0;
  std::uint64_t finer_rows_ = 0;
};

}  // namespace latentknn
