// Makes one answer of several that were found among different rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "search/answer_arrays.h"

namespace latentknn {

// An answer, (queries, k), in the order of the contract. It may end early, with AnswerArrays::kNone as positions.
struct FoundRows {
  const double* scores64;
  const std::int64_t* positions;
  const std::int64_t* ids;
  std::size_t k;
};

// Writes the k best of all answers for each query from `begin` up to `end`. Ids are distinct, so no two rows are of the
// same rank.
void merge_answers(const std::vector<FoundRows>& found, std::size_t begin, std::size_t end, std::size_t k,
                   const AnswerArrays& merged);

}  // namespace latentknn
