// Merges the neighbours found in each part of the rows into the answers of a search.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "device_rows.h"
#include "numbering.h"
#include "row_ids.h"
#include "search/answer_arrays.h"

namespace latentknn::cuda {

// A query is infinite or not a number somewhere.
class NotFinite : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// The best neighbours of each query in the parts that were searched so far.
class Answers {
 public:
  // Answers `queries` queries among `rows` rows.
  Answers(const AnswerArrays& arrays, std::size_t queries, std::size_t k, std::size_t rows, const RowIds& ids,
          std::size_t threads);

  // Merges the neighbours of some queries among `rows` rows of a part. Several threads may call at the same time.
  void merge(const BatchAnswers& found, std::size_t rows, const Numbering& numbering);

  // Returns the queries without an answer, ascending. Throws NotFinite if a query is infinite or not a number.
  std::vector<std::size_t> failed() const;

 private:
  struct Scratch;

  void merge(std::size_t query, const double* scores, const std::uint32_t* rows, std::size_t k,
             const Numbering& numbering, Scratch& scratch);
  bool before(double score, std::int64_t position, double other_score, std::int64_t other_position) const;

  const AnswerArrays arrays_;
  const std::size_t k_;
  const std::size_t rows_;
  const RowIds& ids_;
  const std::size_t threads_;
  std::mutex mutex_;
  bool finite_ = true;
  std::vector<std::uint8_t> failed_;
  std::vector<std::size_t> widths_;  // number of known neighbours of each query
  // Float64 scores of the known neighbours: the caller's array or own_scores_.
  // Null if the caller gave none and no two lists are to be merged.
  double* scores_;
  std::vector<double> own_scores_;
};

}  // namespace latentknn::cuda
