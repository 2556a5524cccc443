// Searches for one block of queries in one shard of the database.
//
// Where the search asks for it, the block finds first thresholds (first_thresholds.h). It visits cells of rows, first
// those near its queries' own places, then wider and wider (cell_visits.h). A visit compares them with the queries
// (comparison.h), each tile of queries on its rung of the ladder of screens (tile_ladder.h). Rows that the screens
// leave wait to be scored exactly (rescoring.h). Rows that are scored raise the thresholds below which queries look for
// nothing. Between visits, tiles move to better rungs (rung_choice.h). They keep their candidates, whose bounds stay
// those of the rungs that they came from.
#pragma once

#include <cstddef>
#include <vector>

#include "layout/layout.h"
#include "screening/ladder.h"
#include "search/answers.h"
#include "search/first_thresholds.h"
#include "search/rescoring.h"
#include "search/screened_block.h"
#include "search/search.h"

namespace latentknn {

class BlockSearch : ScreenedBlock<Rescoring> {
 public:
  BlockSearch(const Search& search, const Ladder& ladder, const Layout& layout);

  // Finds some good rows for queries [begin, end) of `placed` in the cells nearest to their places, and puts them into
  // `answers`, shard 0. Rows that screens say nothing about are left out.
  void look(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells, Answers& answers);

  // Returns how many rows a block first visits around each query's place.
  static std::size_t first_rows(std::size_t cell_rows, std::size_t k);

  // Finds the best rows of `cells` for queries [begin, end) of `placed`, and puts them into `answers`.
  void search(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells, std::size_t shard,
              Answers& answers);

  // Returns the bytes that the candidates of one query take.
  static std::size_t candidate_bytes(std::size_t cell_rows, std::size_t k);

 private:
  void start(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells);
  void hand_over(std::size_t shard, Answers& answers);
  void visit(std::size_t width, Answers& answers);
  void exchange_thresholds(Answers& answers);

  FirstThresholds first_thresholds_;
};

}  // namespace latentknn
