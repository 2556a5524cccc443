// The neighbours that a search gives back, put together from what parts of the rows find.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "device_rows.h"
#include "numbering.h"
#include "search/answer_arrays.h"

namespace latentknn::cuda {

// A query is infinite or not a number somewhere.
class NotFinite : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// The best neighbours of all queries so far.
class Answers {
 public:
  // To so many queries, among so many rows; `ids` has one of each position.
  Answers(const AnswerArrays& arrays, std::size_t queries, std::size_t k, std::size_t rows,
          const std::vector<std::int64_t>& ids, std::size_t threads);

  // Takes in what has been found for some of the queries among so many rows. Devices may call at the same time.
  void merge(const BatchAnswers& found, std::size_t rows, const Numbering& numbering);

  // The queries without an answer, ascending. Throws NotFinite if one is infinite or not a number.
  std::vector<std::size_t> failed() const;

 private:
  struct Scratch;

  void merge(std::size_t query, const double* scores, const std::uint32_t* rows, std::size_t k,
             const Numbering& numbering, Scratch& scratch);
  bool before(double score, std::int64_t position, double other_score, std::int64_t other_position) const;

  const AnswerArrays arrays_;
  const std::size_t k_;
  const std::size_t rows_;
  const std::vector<std::int64_t>& ids_;
  const std::size_t threads_;
  std::mutex mutex_;
  bool finite_ = true;
  std::vector<std::uint8_t> failed_;
  std::vector<std::size_t> widths_;  // how many neighbours of each query are known
  // Of what is known, to merge it with what comes: the caller's, or else these. Null while nothing is to be merged.
  double* scores_;
  std::vector<double> own_scores_;
};

}  // namespace latentknn::cuda
