// Moves tiles of queries to the rung of the ladder that costs least, by the rows that each rung is seen to leave.
#pragma once

#include <cstddef>
#include <vector>

#include "layout/layout.h"
#include "search/cell_visits.h"
#include "search/comparison.h"
#include "search/search.h"
#include "search/tile_ladder.h"

namespace latentknn {

class RungChoice {
 public:
  RungChoice(const Search& search, const Layout& layout, TileLadder& ladder, CellVisits& visits,
             Comparison& comparison);

  // Called after a visit. Moves a tile a rung up where the rows that were left to it cost more than finer screening.
  // On the last rung, rows that are closer to each other than scores can tell are scored cell by cell, where scores
  // bound from both sides. (Rows that are only bounded from above need not be close: they are far from their bounds,
  // above all near the query. So no tile climbs from a subspace here.)
  void climb();

  // Called before many cells are visited. Finds the best rung of each tile by the rows that rungs leave in a few cells.
  void try_rungs();

  // Finds the best rung of every tile in the same way, before anything is visited, where thresholds will not rise.
  void choose_rungs();

 private:
  struct Trial {
    std::size_t tile;
    std::size_t cell;
  };

  bool crowded(std::size_t tile) const;
  bool doubtful(std::size_t tile) const;
  std::size_t rows_seen(std::size_t tile) const;
  void try_rungs(std::vector<std::size_t> undecided);
  std::vector<Trial> trials_of(const std::vector<std::size_t>& tiles);
  void try_rung(std::size_t rung, const std::vector<std::size_t>& tiles, const std::vector<Trial>& trials);

  const Search& search_;
  const Layout& layout_;
  TileLadder& ladder_;
  CellVisits& visits_;
  Comparison& comparison_;
  const double left_cost_;  // cost of a pair that screening leaves
  double together_ = 1.0;   // number of queries that want a cell at once
};

}  // namespace latentknn
