// Holds the rung on which each tile of a block of queries stands, and the threshold of each query: the similarity
// below which it looks for nothing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include "layout/layout.h"
#include "screening/ladder.h"
#include "search/rung.h"
#include "search/search.h"

namespace latentknn {

class TileLadder {
 public:
  TileLadder(const Search& search, const Ladder& ladder, const Layout& layout);

  // Begins a block of queries (count, dim): puts its tiles on the rung that blocks begin on.
  void start(const float* queries, const double* squared_norms, std::size_t count);

  std::size_t tiles() const { return rung_of_.size(); }
  // The queries of a tile are [first, end).
  std::size_t first(std::size_t tile) const { return tile * query_tile_; }
  std::size_t end(std::size_t tile) const { return std::min((tile + 1) * query_tile_, thresholds_.size()); }
  std::size_t size(std::size_t tile) const { return end(tile) - first(tile); }

  std::size_t rungs() const { return rungs_.size(); }
  Rung& rung(std::size_t i) { return rungs_[i]; }
  const Rung& rung(std::size_t i) const { return rungs_[i]; }
  // Whether a rung screens in a subspace, not in all dimensions.
  bool in_subspace(std::size_t rung) const { return rung < first_whole_; }
  // Whether a rung is finer than the one that searches begin on.
  bool finer(std::size_t rung) const { return rung > coarsest_; }

  // The rung on which a tile stands; rungs() where its cells are scored without screening.
  std::size_t rung_of(std::size_t tile) const { return rung_of_[tile]; }
  void stand_on(std::size_t tile, std::size_t rung);
  // Sets the rung that later blocks begin on.
  void begin_on(std::size_t rung) { begins_on_ = rung; }

  // Updates the cutoffs of a tile's queries on a rung, whether or not the tile stands on it.
  void set_cutoffs(std::size_t tile, std::size_t rung);

  const std::vector<double>& thresholds() const { return thresholds_; }
  // Raises the threshold of a query: no row below `similarity` is among its k best, or is thought to be.
  void raise_threshold(std::size_t q, double similarity);

  // Whether the scores of the rung on which a query stands bound similarities from below.
  bool bounded_below(std::size_t q) const {
    const std::size_t rung = rung_of_query(q);
    return rung == rungs_.size() || rungs_[rung].bounds_below(q);
  }
  // No similarity is further below its candidate's upper bound, by the rung on which the query stands. It is infinite
  // where the query stands on none, as there are no candidates then.
  double width(std::size_t q) const {
    const std::size_t rung = rung_of_query(q);
    return rung == rungs_.size() ? std::numeric_limits<double>::infinity() : rungs_[rung].width(q);
  }
  // The cost of comparing a query with a row, where many queries are compared with it together.
  double cost_per_row(std::size_t q) const;

 private:
  std::size_t rung_of_query(std::size_t q) const { return rung_of_[q / query_tile_]; }

  const std::size_t query_tile_;
  const std::size_t coarsest_;  // rung that searches begin on
  const std::size_t first_whole_;
  std::size_t begins_on_;
  std::vector<Rung> rungs_;
  std::vector<std::size_t> rung_of_;
  std::vector<double> thresholds_;
};

}  // namespace latentknn
