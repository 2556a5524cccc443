// How a search is cut into tasks: blocks of queries times shards of the rows.
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
  double work;  // in multiply-adds of float32

  std::size_t tasks() const { return blocks * shards; }
};

// Of a search that scores so many rows.
SearchPlan plan_exhaustive(const Search& search, std::size_t rows);

// Of a search that screens them.
SearchPlan plan_screened(const Search& search, const Ladder& ladder, const Layout& layout);

}  // namespace latentknn
