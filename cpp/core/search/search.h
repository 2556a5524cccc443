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
  bool among_themselves;  // whether query i is row i of the database, and none of its own neighbours
  SearchStatistics& statistics;

  // The similarity that neighbours of a query have at least.
  double at_least(std::size_t query) const {
    return request.at_least == nullptr ? -std::numeric_limits<double>::infinity() : request.at_least[query];
  }
  bool admits_all() const { return request.allowed == nullptr && !among_themselves; }
  bool admits(std::size_t query, std::uint32_t row) const {
    return (request.allowed == nullptr || request.allowed[row] != 0) && !(among_themselves && row == query);
  }
};

}  // namespace latentknn
