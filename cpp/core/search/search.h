// The data that the stages of a search share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "kernels/kernel_table.h"
#include "rows/rows.h"
#include "search/queries.h"
#include "search/search_request.h"

namespace latentknn {

struct Search {
  const KernelTable& kernels;
  const Rows& rows;
  const Queries& queries;
  const SearchRequest& request;
  const std::uint32_t* own_rows;  // the row that each query is, and that it does not find; null where there are none
  SearchStatistics& statistics;
  // Each query has a guess, a similarity that k rows probably reach (guesses.h), unless this is null.
  const double* guesses = nullptr;
  bool blocks_find_thresholds = false;  // whether each block of queries finds its first thresholds (first_thresholds.h)
  bool only_behind = false;             // whether a query that is a row finds no row before it either

  // The similarity that neighbours of a query have at least.
  double at_least(std::size_t query) const {
    return request.at_least == nullptr ? -std::numeric_limits<double>::infinity() : request.at_least[query];
  }
  bool admits_all() const { return request.allowed == nullptr && own_rows == nullptr; }
  bool admits(std::size_t query, std::uint32_t row) const {
    return (request.allowed == nullptr || request.allowed[row] != 0) &&
           !(own_rows != nullptr && (row == own_rows[query] || (only_behind && row < own_rows[query])));
  }
};

}  // namespace latentknn
