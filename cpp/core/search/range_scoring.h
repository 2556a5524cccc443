// The second stage of a block's range search. Rows that screening leaves are scored exactly, thousands at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "layout/layout.h"
#include "search/candidate_lists.h"
#include "search/exact_scorer.h"
#include "search/place_set.h"
#include "search/range_answers.h"
#include "search/rows_in_range.h"
#include "search/search.h"
#include "search/tile_ladder.h"

namespace latentknn {

class RangeScoring {
 public:
  RangeScoring(const Search& search, const Layout& layout, const TileLadder& ladder, RangeAnswers& answers);

  // Begins a block of queries, by their numbers in the search, after the ladder has begun it.
  void start(const std::vector<std::size_t>& queries);

  // Adds a row that screening has left. Where rows are only counted, one that is in range by its bounds is not scored.
  void add(std::size_t q, const Candidate& candidate) {
    if (counts_only_ && static_cast<double>(candidate.lower) >= ladder_.thresholds()[q]) {
      if (admits(q, candidate.place)) found_[q].add_one();
      return;
    }
    pairs_.push_back({static_cast<std::uint32_t>(q), candidate.place});
    if (pairs_.size() == kPairs) score_all();
  }

  void score_places(std::size_t q, const std::vector<std::uint32_t>& places);
  // Scores all rows of a cell for each query of a tile, except the rows at the places `without`.
  void score_cell(std::size_t cell, std::size_t tile, const PlaceSet& without);
  // Scores all rows that wait for it.
  void score_all();

  // Puts the rows that are in range into the answers, as rows of this part.
  void hand_over(std::size_t part);

 private:
  // Pairs that wait: with their copies they fit an L2 cache.
  static constexpr std::size_t kPairs = std::size_t{1} << 14;

  bool admits(std::size_t q, std::uint32_t place) const {
    return search_.admits_all() || search_.admits(queries_[q], layout_.order()[place]);
  }

  const Search& search_;
  const Layout& layout_;
  const TileLadder& ladder_;
  RangeAnswers& answers_;
  const bool counts_only_;
  std::vector<std::size_t> queries_;  // numbers in the search
  ExactScorer scorer_;
  std::vector<RowsInRange> found_;
  std::vector<ExactScorer::Pair> pairs_;
  std::vector<ExactScorer::Pair> by_query_;
  std::vector<std::size_t> ends_;
  std::vector<std::uint32_t> rows_;
  RowRun run_;
};

}  // namespace latentknn
