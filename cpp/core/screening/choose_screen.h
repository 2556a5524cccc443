// Makes the screen that a strategy asks for, or picks one by what the rows are like.
#pragma once

#include <memory>
#include <vector>

#include "../layout/layout.h"
#include "../search_request.h"
#include "../strategy.h"
#include "screen.h"

namespace latentknn {

// A screen that was considered, and what it was predicted to cost.
struct Consideration {
  const char* arithmetic;  // fp32, int16 or int8
  std::size_t dims;        // that it multiplies
  double candidates;       // rows left to score, of one query for 30 neighbours
  double cost;             // of one query, relative to fp32 in all dimensions
};

struct Choice {
  std::unique_ptr<Screen> screen;         // null: no screening
  std::vector<Consideration> considered;  // empty: nothing was predicted
  double reached = 0.0;                   // of all cells, the share that a query is predicted to reach
};

// The principal directions that a layout and the strategy's screens are made from; none where they would cost
// more than they can save.
std::vector<float> directions_for(Strategy strategy, const KernelTable& kernels, const Rows& rows, std::size_t threads);

// `rows` are those that the choice is made from, at least one.
Choice choose_screen(Strategy strategy, const KernelTable& kernels, const Rows& rows,
                     const std::vector<float>& directions, const Layout& layout);

// For rows that the chosen screen turned out not to suit: one that suits all alike.
std::unique_ptr<Screen> fallback_screen(const KernelTable& kernels, std::size_t dim);

}  // namespace latentknn
