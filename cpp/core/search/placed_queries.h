// Sorts the queries of a search by their places, so that queries of one block look for the same rows.
#pragma once

#include <cstddef>
#include <vector>

#include "layout/layout.h"
#include "search/search.h"

namespace latentknn {

struct PlacedQueries {
  std::vector<std::size_t> queries;  // numbers in the search
  std::vector<std::size_t> places;   // places at which their best rows are likely to stand
  std::vector<float> points;         // (queries, layout.width()); empty where the layout has none

  PlacedQueries(const Search& search, const Layout& layout);
};

}  // namespace latentknn
