// Scores candidates that another engine has found, by rule 1 of the contract.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "search/search.h"

namespace latentknn {

// Returns the positions that stand for rows, each once, in ascending order; negative numbers stand for nothing. Throws
// std::invalid_argument where a position is not one of the `row_count` rows.
std::vector<std::int64_t> given_candidates(const std::int64_t* positions, std::size_t count, std::size_t row_count);

// Finds the k best of all rows of a search for its only query.
void score_candidates(const Search& search);

}  // namespace latentknn
