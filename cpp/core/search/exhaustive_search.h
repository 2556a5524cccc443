// Search without screening: every admitted row is scored in float64.
#pragma once

#include <cstddef>

#include "search/range_answers.h"
#include "search/search.h"

namespace latentknn {

void exhaustive_search(const Search& search);

// Finds all rows that are in range, and puts them into `answers` as rows of this part. Throws TooManyFound.
void exhaustive_range_search(const Search& search, RangeAnswers& answers, std::size_t part);

}  // namespace latentknn
