// How a search is cut into pieces that fit a device; host arithmetic only.
#pragma once

#include <cstddef>
#include <vector>

#include "arithmetic.h"

namespace latentknn::cuda {

// Tiles of rows, counted in the order of their screening, that are screened with the same cutoffs.
struct Stage {
  std::size_t begin;
  std::size_t end;
};

// How k neighbours of each query are found among so many tiles of rows.
struct PassPlan {
  // Candidates of a query that its list holds, and those that are left for exact scoring, at most.
  std::size_t list_capacity;
  std::size_t ranking_capacity;
  // Tiles whose maxima give the first cutoffs; 0 where there are too few rows to gain by it.
  std::size_t tiles_of_maxima;
  // Without maxima the first stage fills the lists, as there are no cutoffs. With maxima it has at most three times
  // their tiles, and fills at most half a list if rows are in no order. Each later stage is at most twice as long as
  // those before it together, and fills at most a quarter.
  std::vector<Stage> stages;
};
PassPlan plan_pass(std::size_t tiles, std::size_t k, Arithmetic arithmetic);

// Neighbours that one pass finds; more need another pass, which goes on behind the last.
inline constexpr std::size_t kMostNeighbours = 2048;

// Whether int8 is to be tried, given by how much it changes a row at most. More neighbours, or rows that are changed
// more, leave so many candidates that float16 is the sooner done.
bool int8_is_worth_it(std::size_t k, float row_rounding);

// Whether it was, where it has left so many candidates a query beyond the k.
bool int8_has_paid(std::size_t rows, std::size_t dim, double candidates);

// How often a query whose list overflows may repeat a stage.
inline constexpr std::size_t kRepeats = 2;

// Item i of an order is item i * stride % count: those that follow each other come from everywhere, so that rows that
// are sorted, by class for one, are screened as well as others. No item comes twice.
std::size_t stride_through(std::size_t count);

// Batches of queries that a device searches for at the same time.
inline constexpr std::size_t kBatchesSideBySide = 2;

// Queries of a batch, of `count` in all, where memory does not matter.
std::size_t queries_wanted(std::size_t count);

// Of the bytes that searches could take, those of one batch.
std::size_t bytes_for_a_batch(std::size_t bytes);

// Of the memory of a device that a database may use, what rows leave to searches.
std::size_t memory_for_searches(std::size_t memory);

// Bytes of rows that are brought to a device at a time, where the database is larger than the devices, or gathered for
// a search among some: two of those brought, one gathered and the batches of queries share what is left to searches.
std::size_t bytes_brought(std::size_t memory);

}  // namespace latentknn::cuda
