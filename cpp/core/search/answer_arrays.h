// The arrays to which a search of any engine writes its answers.
#pragma once

#include <cstdint>

namespace latentknn {

// Each array is (queries, k), in the order of the contract.
struct AnswerArrays {
  float* similarities;
  std::int64_t* positions;
  std::int64_t* ids;
  double* scores64;  // null where float64 similarities are not asked for
};

}  // namespace latentknn
