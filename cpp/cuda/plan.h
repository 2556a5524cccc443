// The host decides by these functions how a search is divided into batches, passes and stages that fit a device.
#pragma once

#include <cstddef>
#include <vector>

#include "arithmetic.h"

namespace latentknn::cuda {

// Tiles [begin, end) of the order of screening, which are screened with the same cutoffs.
struct Stage {
  std::size_t begin;
  std::size_t end;
};

// The plan of a pass, which finds k neighbours of each query.
struct PassPlan {
  std::size_t list_capacity;     // candidates of a query that its list can hold
  std::size_t ranking_capacity;  // candidates of a query that can be scored exactly
  // Tiles whose maxima give the first cutoffs; 0 if there are too few rows to gain by it.
  std::size_t tiles_of_maxima;
  // Without maxima there are no cutoffs, and the first stage fills the lists. With maxima the first stage has
  // at most three times their tiles, and fills at most half a list if rows are in no order.
  // Each later stage is at most twice as long as all before it together, and fills at most a quarter of a list.
  std::vector<Stage> stages;
};
PassPlan plan_pass(std::size_t tiles, std::size_t k, Arithmetic arithmetic);

// One pass finds at most so many neighbours. Further passes find those that come after.
inline constexpr std::size_t kMostNeighbours = 2048;

// Returns whether to try int8, given the largest rounding of a row. With larger k or roundings,
// so many candidates are left that float16 is faster.
bool int8_is_worth_it(std::size_t k, float row_rounding);

// Returns whether int8 was faster than float16, given how many candidates beyond the k it left to a query on average.
bool int8_has_paid(std::size_t rows, std::size_t dim, double candidates);

// A query whose list overflows may repeat a stage so many times.
inline constexpr std::size_t kRepeats = 2;

// Returns the stride of an order whose i-th item is i * stride % count; each item occurs once. Consecutive items
// come from everywhere, so that rows that are sorted, by class for example, are screened as fast as others.
std::size_t stride_through(std::size_t count);

// A device works on so many batches of queries at the same time.
inline constexpr std::size_t kBatchesSideBySide = 2;

// Returns how many of `count` queries a batch should have if there is memory enough.
std::size_t queries_wanted(std::size_t count);

// Returns the share of one batch in the bytes that searches could use.
std::size_t bytes_for_a_batch(std::size_t bytes);

// Returns the bytes that rows leave to searches, of the device memory that a database may use.
std::size_t memory_for_searches(std::size_t memory);

// Returns the bytes of rows that are copied from the host to a device at a time, or gathered for a search among some.
// Two such copies, one gathering and the batches of queries share the memory that is left to searches.
std::size_t bytes_brought(std::size_t memory);

}  // namespace latentknn::cuda
