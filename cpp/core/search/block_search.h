// The search of one block of queries in one shard of the database.
//
// The block visits cells of rows, first those near its queries' own places, then wider and wider (cell_visits.h). A
// visit compares them with the queries (comparison.h), each tile of queries on its rung of the ladder of screens
// (tile_ladder.h). What the screens leave waits to be scored exactly (rescoring.h), and what is scored raises the
// thresholds below which queries look for nothing. Between visits tiles move to a better rung (rung_choice.h). What was
// found stays: candidates carry bounds of their similarity, whichever rung they came from.
#pragma once

#include <cstddef>
#include <vector>

#include "layout/layout.h"
#include "screening/ladder.h"
#include "search/answers.h"
#include "search/cell_visits.h"
#include "search/comparison.h"
#include "search/place_set.h"
#include "search/placed_queries.h"
#include "search/rescoring.h"
#include "search/rung_choice.h"
#include "search/search.h"
#include "search/tile_ladder.h"

namespace latentknn {

class BlockSearch {
 public:
  BlockSearch(const Search& search, const Ladder& ladder, const Layout& layout);
  BlockSearch(const BlockSearch&) = delete;
  BlockSearch& operator=(const BlockSearch&) = delete;

  // Finds the best rows at the places of some cells for queries [begin, end) of `placed`, and hands them over.
  void search(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells, std::size_t shard,
              Answers& answers);

  // Bytes of the candidates of one query.
  static std::size_t candidate_bytes(std::size_t cell_rows, std::size_t k);

 private:
  void start(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells);
  void score_unscreened(Window cells);
  void visit(std::size_t width, Answers& answers);
  void exchange_thresholds(Answers& answers);
  void want(Window cells);

  const Search& search_;
  const Layout& layout_;
  const PlaceSet unscreened_;
  TileLadder ladder_;
  Rescoring rescoring_;
  Comparison comparison_;
  CellVisits visits_;
  RungChoice choice_;
  std::vector<std::size_t> queries_;  // their numbers in the search
  std::vector<float> vectors_;        // (queries, dim)
  std::vector<double> squared_norms_;
};

}  // namespace latentknn
