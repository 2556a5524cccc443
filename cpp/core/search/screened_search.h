// Search by screening: the fused kernel excludes rows, and those that it leaves are scored in float64.
#pragma once

#include "layout/layout.h"
#include "screening/ladder.h"
#include "search/range_answers.h"
#include "search/search.h"

namespace latentknn {

void screened_search(const Search& search, const Ladder& ladder, const Layout& layout);

// Finds all rows that are in range, and puts them into `answers` as rows of this part. Throws TooManyFound.
void screened_range_search(const Search& search, const Ladder& ladder, const Layout& layout, RangeAnswers& answers,
                           std::size_t part);

// Finds some good rows of each query, near its place, and writes them as an answer that ends early where they are fewer
// than k. Its last similarity is one that the answer of a whole search reaches too.
void look_near(const Search& search, const Ladder& ladder, const Layout& layout);

}  // namespace latentknn
