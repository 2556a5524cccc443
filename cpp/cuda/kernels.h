// The kernels, as the host launches them. All pointers are of device memory unless they say otherwise.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arithmetic.h"
#include "slices.h"

namespace latentknn::cuda {

// Rows of a tile that share a maximum: those whose scores one thread holds.
inline constexpr std::size_t kGroupRows = 16;
inline constexpr std::size_t kTileGroups = kRowTile / kGroupRows;

struct Candidate {
  float score;  // times the query's and the rows' scale
  std::uint32_t row;
};

// Why a query has no answer.
inline constexpr std::uint8_t kGivenUp = 1;    // too many rows score nearly alike
inline constexpr std::uint8_t kNotFinite = 2;  // one of its values is infinite or not a number

// Vectors that are packed.
struct Packing {
  const float* vectors;  // (at least count, dim)
  std::size_t count;
  std::size_t dim;
  const std::uint32_t* numbers;  // vectors that are packed, in this order; null: all, in their own
  std::size_t first;             // the place that the first one gets
  std::size_t tile;              // kQueryTile or kRowTile
  Arithmetic arithmetic;
  const float* reach;  // int8: the component of a vector of length one that becomes 127; null: each one's own largest

  // Written: the packed vectors in the order of slices.h, zeros for a zero vector; and, by the vectors' numbers, what
  // may be null: squared norms by the contract, by how much rounding changed vectors of length one, int8's scales, and
  // kNotFinite for a vector that is not.
  char* packed;
  double* squared_norms;
  float* roundings;
  double* scales;
  std::uint8_t* failed;
  float* largest;  // component of a vector of length one, of all and of what is there already
};
void pack(const Packing& packing);

// numbers[i] = first + i * stride % count, for i < count.
void spread(std::size_t first, std::size_t count, std::size_t stride, std::uint32_t* numbers);

// The largest of some roundings, which are not negative, and of what is there already.
void take_largest(const float* roundings, std::size_t count, float* largest);

// Which instructions multiply: those of warps, which all devices have, or those of Hopper's warpgroups.
enum class Products : std::uint8_t { by_warp, by_warpgroup };

// What the searches of one batch of queries share.
struct Search {
  // Database
  Arithmetic arithmetic;
  Products products;
  const char* packed_rows;
  std::uint32_t steps;  // slices of a packed vector
  std::size_t row_count;
  std::uint32_t tile_count;
  std::uint32_t tile_stride;         // step of the order in which tiles are screened
  const std::uint32_t* row_numbers;  // one of each packed row
  const float* rows;                 // (n, dim), not packed
  std::size_t dim;
  const double* row_norms;
  const std::int64_t* ids;
  const float* row_rounding;  // the largest
  const float* reach;         // as in Packing

  // Queries
  const char* packed_queries;
  const float* queries;
  const double* query_norms;
  const float* query_roundings;
  const double* query_scales;  // one a query, in int8
  std::size_t query_count;

  // State of each query
  std::size_t k;
  std::size_t list_capacity;
  Candidate* lists;        // (query_count, list_capacity)
  std::uint32_t* counts;   // candidates, also those that found no room
  std::uint32_t* settled;  // candidates that were there before the stage
  float* cutoffs;          // scores below are excluded
  float* ceilings;         // scores above belong to neighbours that earlier passes have found
  std::uint32_t* again;    // the round that found that the query has to repeat its stage
  std::uint8_t* failed;    // not 0: the query has no answer

  std::uint32_t* tiles_again;  // as `again`, of each tile of queries: one of its queries
  std::uint32_t* any_again;    // as `again`: one of all queries
  std::uint32_t round;         // number of the tightening, counted from 1

  float* maxima;              // (query_count, maxima_capacity), of groups of rows
  std::size_t maxima_count;   // maxima a query
  std::size_t maxima_stride;  // from one query's to the next one's

  // Answers
  std::size_t ranking_capacity;
  bool goes_on;            // an earlier pass has found the neighbours before these
  double* scores;          // query i's at i * answer_stride, the one before them at i * answer_stride - 1
  std::uint32_t* numbers;  // row numbers, laid out as scores
  std::size_t answer_stride;
};

// Empty lists, no cutoffs; ceilings from the neighbours that are known.
void start_pass(const Search& search);

// The largest score of every group of rows in the first tiles of the order: maxima_count of them, a multiple of
// kTileGroups.
void find_maxima(const Search& search, std::size_t multiprocessors);

// Raises the cutoffs by the k-th largest of the maxima: so many groups have a row each that scores as much.
void cut_by_maxima(const Search& search);

// Whether a stage is screened for the first time, or again for the queries whose lists overflowed.
enum class Screening { first, again };

// Appends the rows of tiles [begin, end) of the order with scores from the cutoff to the ceiling to the queries' lists.
void screen(const Search& search, std::size_t begin, std::size_t end, Screening screening, std::size_t multiprocessors);

// Raises the cutoffs by the k-th best score of each list, and drops what is below. The query of a list that has
// overflowed loses what the stage has found and repeats it above the new cutoff; it fails if that would not help, or
// if this is the `last` chance. After a repeated stage, only the queries that repeated it.
void tighten(const Search& search, Screening after, bool last, std::size_t multiprocessors);

// Scores what is left by the contract and ranks it. A query with fewer than k fails.
void rank(const Search& search);

}  // namespace latentknn::cuda
