// Cuts a search into tasks: blocks of queries times shards of the rows.
#pragma once

#include <cstddef>

#include "layout/layout.h"
#include "screening/ladder.h"
#include "search/search.h"

namespace latentknn {

struct SearchPlan {
  std::size_t query_block;
  std::size_t blocks;
  std::size_t shards;
  double work;  // float32 multiply-adds

  std::size_t tasks() const { return blocks * shards; }
};

// Plans a search that scores so many rows.
SearchPlan plan_exhaustive(const Search& search, std::size_t rows);

// Plans a search that screens the rows of `layout`.
SearchPlan plan_screened(const Search& search, const Ladder& ladder, const Layout& layout);

// Plans a look at the rows of `layout` that are nearest to each query's place.
SearchPlan plan_look(const Search& search, const Ladder& ladder, const Layout& layout);

}  // namespace latentknn
