// The host launches kernels by these functions. Pointers point to device memory unless a comment says otherwise.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arithmetic.h"
#include "slices.h"

namespace latentknn::cuda {

// So many rows of a tile share a maximum: one thread holds their scores of a query.
inline constexpr std::size_t kGroupRows = 16;
inline constexpr std::size_t kTileGroups = kRowTile / kGroupRows;

struct Candidate {
  float score;  // similarity times the query's and the rows' scale
  std::uint32_t row;
};

// The reasons why a query has no answer.
inline constexpr std::uint8_t kGivenUp = 1;    // too many rows score nearly alike
inline constexpr std::uint8_t kNotFinite = 2;  // one of the query's values is infinite or not a number

// The vectors to pack, and the arrays that packing writes.
struct Packing {
  const float* vectors;  // (at least count, dim)
  std::size_t count;
  std::size_t dim;
  const std::uint32_t* numbers;  // vectors to pack, in this order; null: all, in their own order
  std::size_t first;             // place of the first packed vector
  std::size_t tile;              // kQueryTile or kRowTile
  Arithmetic arithmetic;
  const float* reach;  // int8: component of a vector of length one that becomes 127; null: each vector's largest one

  // These arrays are written; all but `packed` may be null. The others hold one value for each vector, at its number.
  char* packed;           // packed vectors in the order of slices.h; zeros for a zero vector
  double* squared_norms;  // the contract's squared norms
  float* roundings;       // by how much rounding changed each vector, scaled to length one
  double* scales;         // scales of int8
  std::uint8_t* failed;   // kNotFinite for a vector that is not finite
  float* largest;         // a single value: raised to the largest component of the vectors, scaled to length one
};
void pack(const Packing& packing);

// Sets numbers[i] = first + i * stride % count for i < count.
void spread(std::size_t first, std::size_t count, std::size_t stride, std::uint32_t* numbers);

// Raises *largest to the largest of `count` roundings. None is negative.
void take_largest(const float* roundings, std::size_t count, float* largest);

// The instructions that multiply: those of warps, which all devices have, or those of Hopper's warpgroups.
enum class Products : std::uint8_t { by_warp, by_warpgroup };

// The arguments of all kernels that search for one batch of queries.
struct Search {
  // Database
  Arithmetic arithmetic;
  Products products;
  const char* packed_rows;
  std::uint32_t steps;  // slices of a packed vector
  std::size_t row_count;
  std::uint32_t tile_count;
  std::uint32_t tile_stride;         // step of the order in which tiles are screened
  const std::uint32_t* row_numbers;  // number of each packed row
  const float* rows;                 // (n, dim), in float32
  std::size_t dim;
  const double* row_norms;
  const std::int64_t* ids;
  const float* row_rounding;  // largest rounding of a row
  const float* reach;         // the reach that the rows were packed with

  // Queries
  const char* packed_queries;
  const float* queries;
  const double* query_norms;
  const float* query_roundings;
  const double* query_scales;  // one for each query, in int8
  std::size_t query_count;

  // State of each query
  std::size_t k;
  std::size_t list_capacity;
  Candidate* lists;        // (query_count, list_capacity)
  std::uint32_t* counts;   // candidates, with those that did not fit the list
  std::uint32_t* settled;  // candidates from before the stage
  float* cutoffs;          // lower scores are excluded
  float* ceilings;         // higher scores belong to neighbours that earlier passes found
  std::uint32_t* again;    // the round that made the query repeat its stage
  std::uint8_t* failed;    // kGivenUp or kNotFinite: the query has no answer; else 0

  std::uint32_t* tiles_again;  // the latest round that has set `again` in each tile
  std::uint32_t* any_again;    // the latest round that has set any `again`
  std::uint32_t round;         // number of the tightening, counted from 1

  float* maxima;              // maxima of groups; query i's are at i * maxima_stride
  std::size_t maxima_count;   // maxima of each query
  std::size_t maxima_stride;  // from a query's first maximum to the next query's

  // Answers
  std::size_t ranking_capacity;
  bool goes_on;            // an earlier pass has found better neighbours
  double* scores;          // query i's are at i * answer_stride, and the last known one just before
  std::uint32_t* numbers;  // row numbers, in the layout of `scores`
  std::size_t answer_stride;
};

// Empties the lists, resets the cutoffs, and computes the ceilings from the last known neighbours.
void start_pass(const Search& search);

// Finds the largest score of every group of rows in the first maxima_count / kTileGroups tiles of the order.
void find_maxima(const Search& search, std::size_t multiprocessors);

// Raises the cutoffs by the k-th largest of the maxima: k groups each have a row with at least that score.
void cut_by_maxima(const Search& search);

// A stage is screened for the first time, or again for the queries whose lists overflowed.
enum class Screening { first, again };

// Appends to each query's list the rows of tiles [begin, end) of the order whose scores lie
// from its cutoff to its ceiling.
void screen(const Search& search, std::size_t begin, std::size_t end, Screening screening, std::size_t multiprocessors);

// Raises the cutoffs by the k-th best score of each list, and drops the candidates below. A query whose list
// overflowed loses the candidates of the stage and repeats it above the new cutoff. It fails if that would not help,
// or if this is the `last` chance. After a repeated stage, only the queries that repeated it are tightened.
void tighten(const Search& search, Screening after, bool last, std::size_t multiprocessors);

// Scores the candidates by the contract and ranks them. A query with fewer than k candidates,
// or more than ranking_capacity, fails.
void rank(const Search& search);

}  // namespace latentknn::cuda
