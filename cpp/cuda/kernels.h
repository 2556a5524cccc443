// The kernels, as the host launches them. All pointers are of device memory unless they say otherwise.
#pragma once

#include <cstddef>
#include <cstdint>

namespace latentknn::cuda {

// Dimensions of packed vectors are a multiple of this; rows and queries are padded to whole tiles.
inline constexpr std::size_t kDimStep = 32;
inline constexpr std::size_t kQueryTile = 128;
inline constexpr std::size_t kRowTile = 256;

struct Candidate {
  float score;  // times kScale
  std::uint32_t row;
};

// Vectors (count, dim), their squared norms by the contract, halves (count, packed_dim) of length kUnit, and by how
// much rounding changed each, over kUnit; a zero vector is packed as zeros.
void pack(const float* vectors, std::size_t count, std::size_t dim, std::size_t packed_dim, double* squared_norms,
          std::uint16_t* packed, float* roundings);

// Whether no value is infinite or not a number. Waits for the answer.
bool are_finite(const float* values, std::size_t count);

// The largest of some roundings, which are not negative, and of what is there already.
void take_largest(const float* roundings, std::size_t count, float* largest);

// Copies some packed rows.
void gather(const std::uint16_t* packed, std::size_t packed_dim, const std::uint32_t* rows, std::size_t count,
            std::uint16_t* out);

// What the searches of one batch of queries share.
struct Search {
  // Database
  const std::uint16_t* packed_rows;
  std::size_t packed_dim;
  std::size_t row_count;
  std::size_t tile_count;
  std::size_t tile_stride;           // of the order in which tiles are screened
  const std::uint32_t* row_numbers;  // of the packed rows; null: their own places
  const float* rows;                 // (n, dim), not packed
  std::size_t dim;
  const double* row_norms;
  const std::int64_t* ids;
  const float* row_rounding;  // the largest

  // Queries
  const std::uint16_t* packed_queries;
  const float* queries;
  const double* query_norms;
  const float* query_roundings;
  std::size_t query_count;

  // State of each query
  std::size_t k;
  std::size_t list_capacity;
  Candidate* lists;       // (query_count, list_capacity)
  std::uint32_t* counts;  // of candidates, also of those that found no room
  float* cutoffs;         // scores below are excluded
  float* ceilings;        // scores above belong to neighbours that earlier passes have found
  std::uint8_t* failed;   // the query has to be searched in another way

  // Answers
  std::size_t ranking_capacity;
  bool goes_on;            // an earlier pass has found the neighbours before these
  double* scores;          // query i's at i * answer_stride, the one before them at i * answer_stride - 1
  std::uint32_t* numbers;  // of rows, as scores
  std::size_t answer_stride;
};

// Empty lists, no cutoffs; ceilings from the neighbours that are known.
void start_pass(const Search& search);

// Appends the rows of tiles [begin, end) of the order with scores from the cutoff to the ceiling to the queries' lists;
// if `everything`, which only the first stage of a pass asks for, all of them.
void screen(const Search& search, std::size_t begin, std::size_t end, bool everything, std::size_t multiprocessors);

// Raises the cutoffs by the k-th best score of each list, and drops what is below. A list that has overflowed fails.
void tighten(const Search& search);

// Scores what is left by the contract and ranks it. A query with fewer than k fails.
void rank(const Search& search);

}  // namespace latentknn::cuda
