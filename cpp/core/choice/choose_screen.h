// Makes the screens that a strategy asks for, or chooses some by a forecast of their costs.
#pragma once

#include <vector>

#include "choice/strategy.h"
#include "layout/layout.h"
#include "rows/rows.h"
#include "screening/ladder.h"

namespace latentknn {

// A screen that was considered, with its predicted costs.
struct Consideration {
  const char* arithmetic;  // fp32, int16 or int8
  std::size_t dims;        // dimensions that it multiplies
  double candidates;       // rows that it leaves to a query for 30 neighbours
  double cost;             // cost of a query, relative to fp32 in all dimensions
};

struct Choice {
  Ladder ladder;                          // empty where nothing is screened
  std::vector<Consideration> considered;  // empty where nothing was predicted
  double reached = 0.0;  // predicted share of all cells that a query reaches; 0 where nothing was predicted
};

// Returns the rows that choices are made from: a sample, or none where there is nothing to choose.
GatheredRows deciding_rows(Strategy strategy, const Rows& rows);

// Returns the principal directions of `sample`, from which the layout of so many rows and the strategy's screens are
// made; none where they would cost more than they can save.
std::vector<float> directions_for(Strategy strategy, const KernelTable& kernels, const Rows& sample,
                                  std::size_t row_count, std::size_t threads);

// Chooses for `row_count` rows, at least one, of which `sample` are some.
Choice choose_screen(Strategy strategy, const KernelTable& kernels, const Rows& sample, std::size_t row_count,
                     const std::vector<float>& directions, const Layout& layout, std::size_t threads);

// Returns screens that suit all rows alike, for rows that a chosen screen turned out not to suit.
Ladder fallback_ladder(const KernelTable& kernels, std::size_t dim);

}  // namespace latentknn
