// What the steps of a search cost, in multiply-adds of the fp32 tile: what screens are chosen by.
#pragma once

#include <cstddef>

#include "kernels/kernel_table.h"

namespace latentknn::costs {

// A row compared with a query by a screen of so many dimensions. Comparing a tile's scores takes as long as some more.
inline double compared_row(const ScreenKernel& kernel, std::size_t dims) {
  constexpr double kCompareDims = 4.0;
  return static_cast<double>(dims) / kernel.gain + kCompareDims;
}

// A row packed for such a screen.
inline double packed_row(std::size_t dim) { return 25.0 * static_cast<double>(dim); }

// A row scored exactly that lies anywhere in memory.
inline double scored_row(std::size_t dim) { return 1500.0 + 15.0 * static_cast<double>(dim); }

// A row that a screen leaves: appended to a list, and compared with thresholds until it is excluded; some are scored.
inline double left_row(std::size_t dim) {
  constexpr double kListed = 500.0, kScored = 0.08;
  return kListed + kScored * scored_row(dim);
}

// A query searched among so many rows, by the plainest comparison, and what it costs besides.
inline double searched_query(std::size_t rows, std::size_t dim) { return static_cast<double>(rows * dim) + 0x1p17; }

}  // namespace latentknn::costs
