// Guesses thresholds before anything is searched: similarities that k rows of each query reach in all likelihood.
//
// A sample has one row, drawn at random, of each of S ranges of rows, of which none is much longer than another. The
// number of a query's k best among n rows that are in the sample is a sum of independent chances, about m = S k / n on
// average, so that m + t of them are with a chance of about exp(-t^2 / (2 m + 2 t / 3)) at most (Bernstein's
// inequality), however similar the rows are. Unless that happens, k rows reach the similarity of number m + t of the
// sample. Whoever uses a guess counts in the end: a query whose guess fewer than k rows reach is searched for again
// without one. Queries share the sample, so that equal ones are wrong together.
#pragma once

#include <vector>

#include "layout/layout.h"
#include "search/search.h"

namespace latentknn {

// Returns one guess a query, or none where guessing would cost more than it saves. There are none either where the
// request says what neighbours of some query have at least: then rows were seen before. And where there is another way
// to thresholds, there are none that many more rows reach than are wanted, because many are equally similar.
std::vector<double> guess_thresholds(const Search& search, const Layout& layout, bool another_way);

}  // namespace latentknn
