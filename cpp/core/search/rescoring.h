// The second stage of a block's search. Rows that screening leaves wait here as candidates, with bounds of their
// similarities, until they are excluded or scored exactly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "layout/layout.h"
#include "search/answers.h"
#include "search/candidate_lists.h"
#include "search/exact_scorer.h"
#include "search/place_set.h"
#include "search/rung.h"
#include "search/search.h"
#include "search/tile_ladder.h"
#include "search/top_k.h"

namespace latentknn {

class Rescoring {
 public:
  static constexpr bool kThresholdsRise = true;

  Rescoring(const Search& search, const Layout& layout, TileLadder& ladder);

  // Returns the bytes that the candidates of a query take, where a search first visits so many rows near its place.
  static std::size_t bytes_per_query(std::size_t first_rows, std::size_t k);

  // Begins a block of queries, by their numbers in the search, after the ladder has begun it. The block first visits
  // so many rows near each query's own place.
  void start(const std::vector<std::size_t>& queries, std::size_t first_rows);
  // Tells that no row which is added from now on has a similarity further below its upper bound.
  void set_width(std::size_t q, double width) { lists_.set_width(q, width); }
  // Adds a row that screening has left.
  void add(std::size_t q, const Candidate& candidate) {
    if (lists_.add(q, candidate.upper, candidate.place)) make_room(q);
  }

  void score_places(std::size_t q, const std::vector<std::uint32_t>& places);
  // Scores all rows of a cell for each query of a tile, except the rows at the places `without`.
  void score_cell(std::size_t cell, std::size_t tile, const PlaceSet& without);
  // Raises thresholds by scoring the likeliest candidates, before so many rows are visited.
  void score_some(std::size_t rows_to_come);
  // Scores the likeliest candidates of every query.
  void score_likeliest();
  // Scores all candidates that cannot be excluded.
  void score_all();

  // Puts the best rows of all queries into `answers`.
  void hand_over(std::size_t shard, Answers& answers);

 private:
  void tighten(std::size_t q);
  void tighten_all();
  void make_room(std::size_t q);
  void limit(std::size_t q, std::size_t size);
  void exclude(std::size_t q);
  void score_list(std::size_t q);
  template <class Few>
  void score_pairs(const Few& few);

  const Search& search_;
  const Layout& layout_;
  TileLadder& ladder_;
  const std::size_t scored_first_;    // candidates of a list that are scored first: k, or a few more
  std::vector<std::size_t> queries_;  // numbers in the search
  ExactScorer scorer_;
  CandidateLists lists_;
  std::vector<TopK> best_;
  std::vector<Listed> taken_;
  std::vector<std::uint32_t> places_;
  std::vector<std::uint32_t> rows_;
  RowRun run_;
  std::vector<ExactScorer::PlacedPair> pairs_;
};

}  // namespace latentknn
