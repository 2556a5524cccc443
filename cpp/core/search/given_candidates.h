// Scores candidates that something else has found, by the contract.
#pragma once

#include <cstddef>
#include <cstdint>

#include "search/search_request.h"

namespace latentknn {

// The request's k best of each query's own candidates: positions (queries, per_query), of which negative ones stand
// for nothing. Throws std::invalid_argument where k is 0, a query has fewer than k,
// or a position is not one of a row.
void score_given(const KernelTable& kernels, const Rows& rows, const SearchRequest& request,
                 const std::int64_t* positions, std::size_t per_query);

}  // namespace latentknn
