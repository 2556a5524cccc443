// The costs of the steps of a search, in multiply-adds of the fp32 tile. Screens are chosen by them, and searches are
// cut into tasks.
#pragma once

#include <cstddef>

#include "kernels/kernel_table.h"

namespace latentknn::costs {

// The cost of comparing a row with a query by a screen of so many dimensions.
// Comparing the score with the cutoff is counted as a few more dimensions.
inline double compared_row(const ScreenKernel& kernel, std::size_t dims) {
  constexpr double kCompareDims = 4.0;
  const std::size_t padded = (dims + kernel.dim_step - 1) / kernel.dim_step * kernel.dim_step;
  return static_cast<double>(padded) / kernel.gain + kCompareDims;
}

// The cost of reading a packed row of so many bytes from memory, before any query is compared with it.
inline double read_row(std::size_t bytes) { return 3.0 * static_cast<double>(bytes); }

// The cost of packing a row for a screen.
inline double packed_row(std::size_t dim) { return 25.0 * static_cast<double>(dim); }

// The cost of scoring a row exactly that lies anywhere in memory.
inline double scored_row(std::size_t dim) { return 1500.0 + 15.0 * static_cast<double>(dim); }

// The cost of a row that a screen leaves: it is listed, and compared with thresholds until it is excluded or scored.
inline double left_row(std::size_t dim) {
  constexpr double kListed = 500.0, kScored = 0.08;
  return kListed + kScored * scored_row(dim);
}

// The cost of a query in a shard of the rows, however few they are: of its beginning, and of the rows that it finds.
inline double query_in_shard(std::size_t dim, std::size_t k) {
  return (40.0 + 2.0 * static_cast<double>(k)) * scored_row(dim);
}

// The cost of a row that a screen leaves to a range search: all of them are scored, in the order of their places.
inline double row_in_range(std::size_t dim) { return 300.0 + 0.35 * scored_row(dim); }

// The cost of searching for a query among so many rows by the plainest comparison, with the fixed cost of a query.
inline double searched_query(std::size_t rows, std::size_t dim) { return static_cast<double>(rows * dim) + 0x1p17; }

}  // namespace latentknn::costs
