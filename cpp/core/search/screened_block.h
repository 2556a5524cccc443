// What searches of a block of queries in cells of rows share, whichever rows they look for: the queries, their
// thresholds, the visits, and the first stage. The second stage gets the rows that the first has left: it has
// add(q, candidate), score_places(q, places) and score_cell(cell, tile, without).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "layout/layout.h"
#include "platform/thread_pool.h"
#include "screening/ladder.h"
#include "search/cell_visits.h"
#include "search/comparison.h"
#include "search/place_set.h"
#include "search/placed_queries.h"
#include "search/rung_choice.h"
#include "search/search.h"
#include "search/tile_ladder.h"

namespace latentknn {

template <class SecondStage>
class ScreenedBlock {
 public:
  ScreenedBlock(const ScreenedBlock&) = delete;
  ScreenedBlock& operator=(const ScreenedBlock&) = delete;

 protected:
  // Makes the second stage of the search, the layout, the ladder of tiles and what else it needs.
  template <class... Arguments>
  ScreenedBlock(const Search& search, const Ladder& ladder, const Layout& layout, Arguments&... more)
      : search_(search),
        layout_(layout),
        unscreened_(ladder.unscreened_places(), search.rows.count),
        ladder_(search, ladder, layout),
        second_(search, layout, ladder_, more...),
        comparison_(layout, unscreened_, ladder_, second_),
        visits_(layout, ladder.cheapest().kernel().query_tile),
        choice_(search, layout, ladder_, visits_, comparison_) {}
  ~ScreenedBlock() = default;

  // Begins with queries [begin, end) of `placed`, which visit nothing outside of `cells`. The second stage begins after
  // it.
  void start(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells) {
    const auto at = [](std::size_t i) { return static_cast<std::ptrdiff_t>(i); };
    queries_.assign(placed.queries.begin() + at(begin), placed.queries.begin() + at(end));
    const Queries& queries = search_.queries;
    vectors_.resize(queries_.size() * queries.dim());
    squared_norms_.resize(queries_.size());
    for (std::size_t q = 0; q < queries_.size(); ++q) {
      std::copy_n(queries.vector(queries_[q]), queries.dim(), vectors_.data() + q * queries.dim());
      squared_norms_[q] = queries.squared_norms()[queries_[q]];
    }
    ladder_.start(vectors_.data(), squared_norms_.data(), queries_.size());
    for (std::size_t q = 0; q < queries_.size(); ++q) {
      ladder_.raise_threshold(q, search_.at_least(queries_[q]));
      if (search_.guesses != nullptr) ladder_.raise_threshold(q, search_.guesses[queries_[q]]);
    }
    comparison_.start(queries_.size());
    visits_.start(placed, begin, end, cells);
  }

  // Scores the rows that a screen says nothing about: they may be the best of all.
  void score_unscreened(Window cells) {
    std::vector<std::uint32_t> places;
    for (std::size_t q = 0; q < queries_.size() && !unscreened_.empty(); ++q) {
      places.clear();
      for (const std::uint32_t place : unscreened_.places()) {
        const bool wanted =
            cells.contains(place / layout_.cell_rows()) && search_.admits(queries_[q], layout_.order()[place]);
        if (wanted) places.push_back(place);
      }
      second_.score_places(q, places);
    }
  }

  // Compares the cells that the visits want. Calls before_run() before each run of them.
  template <class Before>
  void compare_wanted(const Before& before_run) {
    comparison_.reset_counts();
    for (const std::size_t run : visits_.runs()) {
      ThreadPool::check_interrupt();
      before_run();
      want(visits_.enter(run, ladder_.thresholds()));
      for (std::size_t rung = 0; rung < ladder_.rungs(); ++rung) comparison_.compare(rung);
    }
  }

  void count_screened() const {
    search_.statistics.screened_rows += comparison_.screened_rows();
    search_.statistics.finer_rows += comparison_.finer_rows();
  }

  const Search& search_;
  const Layout& layout_;
  const PlaceSet unscreened_;
  TileLadder ladder_;
  SecondStage second_;
  Comparison comparison_;
  CellVisits visits_;
  RungChoice choice_;
  std::vector<std::size_t> queries_;  // numbers in the search

 private:
  // Asks for the comparisons of some cells; for tiles that are on no rung, scores the cells at once.
  void want(Window cells) {
    for (std::size_t cell = cells.begin; cell < cells.end; ++cell) {
      for (std::size_t tile = 0; tile < ladder_.tiles(); ++tile) {
        if (!visits_.wants(cell, tile)) continue;
        const std::size_t rung = ladder_.rung_of(tile);
        if (rung == ladder_.rungs()) {
          second_.score_cell(cell, tile, unscreened_);
        } else {
          comparison_.want(cell, tile, rung);
        }
      }
    }
  }

  std::vector<float> vectors_;  // (queries, dim)
  std::vector<double> squared_norms_;
};

}  // namespace latentknn
