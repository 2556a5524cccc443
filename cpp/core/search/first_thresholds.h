// Finds thresholds of a block of queries before it lists any row. While thresholds are low a screen leaves many rows in
// vain, and listing a row costs as much as comparing hundreds. So a screen that bounds similarities from below first
// compares the rows around each tile's place, and keeps only the highest score of each few rows. Each of these belongs
// to another row, so that what k of them reach is a threshold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "layout/layout.h"
#include "platform/aligned_buffer.h"
#include "screening/ladder.h"
#include "search/cell_visits.h"
#include "search/search.h"
#include "search/tile_ladder.h"

namespace latentknn {

class FirstThresholds {
 public:
  FirstThresholds(const Search& search, const Ladder& ladder, const Layout& layout);

  // Whether thresholds can be found in this way, where the rows are searched in so many shards: queries begin on a
  // screen that can, may find every row, and want few of a shard's.
  static bool possible(const Search& search, const Ladder& ladder, std::size_t shards);

  // Raises the thresholds of the block that `visits` and `ladder` have begun, by rows of `cells`. Returns the number of
  // cells that each tile was compared with.
  std::size_t raise(const CellVisits& visits, Window cells, TileLadder& ladder);

 private:
  // Tiles of queries [begin, end), the cells that each of them is compared with, and the rows of a maximum.
  struct Batch {
    std::size_t begin;
    std::size_t end;
    std::size_t width;
    std::size_t rows_each;
  };

  void raise_batch(const CellVisits& visits, Window cells, TileLadder& ladder, Batch batch);
  void raise_query(std::size_t q, const Rung& rung, const float* maxima, std::size_t count, TileLadder& ladder) const;
  void visit_cells(const CellVisits& visits, Window cells, Batch batch);

  const Search& search_;
  const Layout& layout_;
  const std::size_t row_tiles_;           // row tiles of a cell
  const std::size_t rank_;                // rows that a query finds, with itself where it is a row
  const std::size_t most_;                // cells to compare a tile with, at most
  AlignedBuffer<float> maxima_;           // maxima of a batch, by tile, place and query
  AlignedBuffer<float> maxima_by_query_;  // maxima of one tile of the batch
  std::vector<std::uint32_t> query_tiles_;
  std::vector<std::uint32_t> first_row_tiles_;
  std::vector<TileVisit> visits_;
};

}  // namespace latentknn
