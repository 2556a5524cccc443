// The second stage of a block's search: rows that screening leaves wait as candidates, with bounds of their
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
#include "search/search.h"
#include "search/tile_ladder.h"
#include "search/top_k.h"

namespace latentknn {

class Rescoring {
 public:
  Rescoring(const Search& search, const Layout& layout, TileLadder& ladder);

  // Bytes of the candidates of a query. A search first visits so many rows near each query's own place.
  static std::size_t bytes_per_query(std::size_t first_rows, std::size_t k);

  // Takes on a block of queries, by their numbers in the search, after the ladder has. So many rows near each query's
  // own place are visited first.
  void start(const std::vector<std::size_t>& queries, std::size_t first_rows);
  // A row that screening has left.
  void add(std::size_t q, const Candidate& candidate) {
    if (lists_.add(q, candidate)) make_room(q);
  }

  // Scores the rows of a query at some places.
  void score_places(std::size_t q, const std::vector<std::uint32_t>& places);
  // Scores all rows of a cell, but for those at some places, for each query of a tile.
  void score_cell(std::size_t cell, std::size_t tile, const PlaceSet& without);
  // Raises thresholds by scoring the likeliest candidates, before the visit of so many rows.
  void score_some(std::size_t rows_to_come);
  // Scores all candidates that cannot be excluded.
  void score_all();

  // Hands the best rows of all queries over.
  void hand_over(std::size_t shard, Answers& answers);

 private:
  void tighten(std::size_t q);
  void make_room(std::size_t q);
  void limit(std::size_t q, std::size_t size);
  void exclude(std::size_t q);
  void score_list(std::size_t q);
  template <class Few>
  void score_pairs(const Few& few);

  const Search& search_;
  const Layout& layout_;
  TileLadder& ladder_;
  const std::size_t scored_first_;    // rows of a list: as many as are wanted, or a few more
  std::vector<std::size_t> queries_;  // their numbers in the search
  ExactScorer scorer_;
  CandidateLists lists_;
  std::vector<TopK> best_;
  std::vector<Candidate> taken_;
  std::vector<std::uint32_t> places_;
  std::vector<std::uint32_t> rows_;
  RowRun run_;
  std::vector<ExactScorer::Pair> pairs_;
};

}  // namespace latentknn
