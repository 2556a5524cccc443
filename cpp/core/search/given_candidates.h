// Scores candidates that another engine has found, by rule 1 of the contract.
#pragma once

#include <cstddef>
#include <cstdint>

#include "search/search.h"

namespace latentknn {

// Finds the k best of each query's own candidates: `positions` (queries, per_query), where negative numbers stand for
// nothing. Throws std::invalid_argument where k is 0, a query has fewer than k, or a position is not one of a row.
void score_given(const Search& search, const std::int64_t* positions, std::size_t per_query);

}  // namespace latentknn
