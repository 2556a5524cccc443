// Searches for one block of queries in one shard of the database, for all rows that are in range.
//
// What each query looks for is known before any row is seen. So the block visits each cell once that its caps do not
// exclude, and its tiles choose their rungs before that.
#pragma once

#include <cstddef>

#include "layout/layout.h"
#include "screening/ladder.h"
#include "search/range_scoring.h"
#include "search/screened_block.h"
#include "search/search.h"

namespace latentknn {

class RangeBlock : ScreenedBlock<RangeScoring> {
 public:
  RangeBlock(const Search& search, const Ladder& ladder, const Layout& layout, RangeAnswers& answers)
      : ScreenedBlock(search, ladder, layout, answers) {}

  // Finds the rows of `cells` that are in range of queries [begin, end) of `placed`, and puts them into the answers as
  // rows of this part.
  void search(const PlacedQueries& placed, std::size_t begin, std::size_t end, Window cells, std::size_t part);
};

}  // namespace latentknn
