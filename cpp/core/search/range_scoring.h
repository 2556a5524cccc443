// The second stage of a block's range search. Rows that screening leaves are fetched as they come, and are scored
// exactly once they are as many as fit a cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "layout/layout.h"
#include "platform/aligned_buffer.h"
#include "search/exact_scorer.h"
#include "search/place_set.h"
#include "search/range_answers.h"
#include "search/rows_in_range.h"
#include "search/rung.h"
#include "search/search.h"
#include "search/tile_ladder.h"

namespace latentknn {

class RangeScoring {
 public:
  static constexpr bool kThresholdsRise = false;

  RangeScoring(const Search& search, const Layout& layout, const TileLadder& ladder, RangeAnswers& answers);

  // Begins a block of queries, by their numbers in the search, after the ladder has begun it.
  void start(const std::vector<std::size_t>& queries);

  // Adds a row that screening has left. Where rows are only counted, one that is in range by its bounds is not scored.
  void add(std::size_t q, const Candidate& candidate) {
    if (counts_only_ && static_cast<double>(candidate.lower) >= ladder_.thresholds()[q]) {
      if (admits(q, candidate.place)) found_[q].add_one();
      return;
    }
    if (!admits(q, candidate.place)) return;
    const std::uint32_t row = layout_.order()[candidate.place];
    pairs_[count_] = {static_cast<std::uint32_t>(q), row};
    if (recent_[candidate.place % kRecent] != candidate.place) {
      recent_[candidate.place % kRecent] = candidate.place;
      scorer_.fetch(row);
      ++fetched_;
    }
    if (++count_ == kPairs || fetched_ == most_fetched_) score_all();
  }

  void score_places(std::size_t q, const std::vector<std::uint32_t>& places);
  // Scores all rows of a cell for each query of a tile, except the rows at the places `without`.
  void score_cell(std::size_t cell, std::size_t tile, const PlaceSet& without);
  // Scores all rows that wait for it.
  void score_all();

  // Puts the rows that are in range into the answers, as rows of this part.
  void hand_over(std::size_t part);

 private:
  static constexpr std::size_t kPairs = std::size_t{1} << 13;   // pairs that wait at most
  static constexpr std::size_t kRecent = std::size_t{1} << 12;  // places whose rows were fetched lately

  const Pair* sorted();

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
  const std::size_t most_fetched_;  // rows that are fetched before those that wait are scored
  AlignedBuffer<Pair> pairs_;       // pairs that wait, `count_` of them
  std::size_t count_ = 0;
  std::vector<std::uint32_t> recent_;
  std::size_t fetched_ = 0;
  AlignedBuffer<Pair> by_query_;
  std::vector<std::uint32_t> ends_;
  AlignedBuffer<double> scores_;
  std::vector<std::uint32_t> rows_;
  RowRun run_;
};

}  // namespace latentknn
