// The search of one block of queries in one shard of the database: screens leave candidates, which are then scored
// exactly.
//
// Each tile of queries stands on a rung of the ladder of screens. It begins near its queries' own places, on the
// ladder's first rung or where the block before would better have begun, and climbs where that leaves more than scoring
// costs less than a better rung. Before it looks at most of the cells it tries the rungs on a few of them and takes the
// one that costs least with what it has found. What was found stays: candidates carry bounds of their similarity,
// whichever rung they came from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "layout/layout.h"
#include "screening/ladder.h"
#include "search/candidate_lists.h"
#include "search/cell_visits.h"
#include "search/exact_scorer.h"
#include "search/placed_queries.h"
#include "search/rung.h"
#include "search/search_request.h"
#include "search/top_k.h"

namespace latentknn {

class BlockSearch {
 public:
  BlockSearch(const KernelTable& kernels, const Ladder& ladder, const Layout& layout, const Rows& rows,
              const SearchRequest& request);

  // Finds the best rows at the places of cells [cell_begin, cell_end) for queries [begin, end) of `placed`, and
  // hands them over.
  void search(const PlacedQueries& placed, std::size_t begin, std::size_t end, std::size_t cell_begin,
              std::size_t cell_end, std::size_t shard, AnswerSink& sink);

  // Bytes of the candidate lists of one query.
  static std::size_t candidate_bytes(std::size_t cell_rows, std::size_t k);

 private:
  struct Pair {
    std::size_t tile;  // tile of queries
    std::size_t cell;
  };

  void start(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells, AnswerSink& sink);
  void score_unscreened();
  void hand_over(std::size_t shard);

  // Visits
  void visit(std::size_t width);
  void exchange_thresholds();
  void want(Window cells);
  void score_cell(std::size_t cell, std::size_t tile);
  void compare_on(std::size_t rung);
  void take_hits();

  // Rungs
  std::size_t queries_of(std::size_t tile) const;
  void stand_on(std::size_t tile, std::size_t rung);
  void climb();
  double left_share(std::size_t tile) const;
  bool crowded(std::size_t tile) const;
  bool doubtful(std::size_t tile) const;
  void choose_rungs();
  std::vector<Pair> pairs_to_try(const std::vector<std::size_t>& tiles);
  void try_rung(std::size_t rung, const std::vector<std::size_t>& tiles, const std::vector<Pair>& pairs);

  // Candidates
  bool bounded_below(std::size_t q) const;
  void raise_threshold(std::size_t q, double similarity);
  void make_room(std::size_t q);
  void limit(std::size_t q, std::size_t size);
  void exclude(std::size_t q);
  void score_some(std::size_t rows_to_come);
  void score_candidates();
  void score_likeliest(std::size_t q);
  void score_list(std::size_t q);
  template <class Few>
  void score_pairs(const Few& few);
  void score_places(std::size_t q);

  const Layout& layout_;
  const Rows& rows_;
  const SearchRequest& request_;
  const std::size_t query_tile_;
  const double left_cost_;    // what a pair costs that screening leaves
  const double scored_cost_;  // what a pair costs that is scored
  std::vector<std::uint32_t> unscreened_;
  std::vector<bool> is_unscreened_;  // by place; empty where all are screened
  ExactScorer scorer_;
  CellVisits cell_visits_;
  std::vector<Rung> rungs_;
  const std::size_t ladder_first_;
  const std::size_t first_whole_;  // first rung of all dimensions
  std::size_t first_rung_;  // rung on which a block begins: the ladder's, or where the last block had better begun

  AnswerSink* sink_ = nullptr;
  Window cells_{0, 0};                 // cells that are searched
  std::vector<std::size_t> queries_;   // their numbers in the request
  std::vector<double> thresholds_;     // similarities below which nothing is looked for
  std::vector<std::size_t> rung_of_;   // by tile; rungs_.size(): its cells are scored without screening
  std::vector<std::size_t> compared_;  // by tile: pairs screened in this visit
  std::vector<std::size_t> left_;      // by query: pairs that screening has left in this visit
  std::size_t hits_from_ = 0;          // rung that the task's hits come from
  bool trying_ = false;                // hits are counted only
  double together_ = 1.0;              // queries that want a cell at once
  std::uint64_t screened_rows_ = 0;
  std::uint64_t finer_rows_ = 0;  // rows screened on rungs above the ladder's first
  ScreenTask task_{};
  std::vector<Hit> hits_;
  std::size_t scored_first_ = 0;  // rows of a list: as many as are wanted, or a few more
  CandidateLists lists_;
  std::vector<TopK> best_;
  std::vector<Candidate> taken_;
  std::vector<std::uint32_t> places_;
  std::vector<std::uint32_t> batch_;
  RowRun run_;
  std::vector<ExactScorer::Pair> pairs_;
};

}  // namespace latentknn
