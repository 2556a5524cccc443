// Makes the screen that a strategy asks for, or picks one by what the rows are like.
#pragma once

#include <vector>

#include "choice/strategy.h"
#include "layout/layout.h"
#include "rows/rows.h"
#include "screening/ladder.h"

namespace latentknn {

// A screen that was considered, and what it was predicted to cost.
struct Consideration {
  const char* arithmetic;  // fp32, int16 or int8
  std::size_t dims;        // that it multiplies
  double candidates;       // rows left to score, of one query for 30 neighbours
  double cost;             // of one query, relative to fp32 in all dimensions
};

struct Choice {
  Ladder ladder;                          // empty: no screening
  std::vector<Consideration> considered;  // empty: nothing was predicted
  double reached = 0.0;                   // of all cells, the share that a query is predicted to reach
};

// What choices are made from: some of the rows, or none where there is nothing to choose.
GatheredRows deciding_rows(Strategy strategy, const Rows& rows);

// The principal directions of `sample`, that a layout of so many rows and the strategy's screens are made from;
// none where they would cost more than they can save.
std::vector<float> directions_for(Strategy strategy, const KernelTable& kernels, const Rows& sample,
                                  std::size_t row_count, std::size_t threads);

// For `row_count` rows, at least one, of which `sample` are some.
Choice choose_screen(Strategy strategy, const KernelTable& kernels, const Rows& sample, std::size_t row_count,
                     const std::vector<float>& directions, const Layout& layout, std::size_t threads);

// For rows that a chosen screen turned out not to suit: screens that suit all alike.
Ladder fallback_ladder(const KernelTable& kernels, std::size_t dim);

}  // namespace latentknn
