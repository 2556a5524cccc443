// Where a search writes its answers, whichever engine it is of.
#pragma once

#include <cstdint>

namespace latentknn {

// (queries, k) each, in the order of the contract.
struct AnswerArrays {
  float* similarities;
  std::int64_t* positions;
  std::int64_t* ids;
  double* scores64;  // null where nobody asks for similarities in float64
};

}  // namespace latentknn
