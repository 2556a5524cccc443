// The arrays to which a search of any engine writes its answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace latentknn {

// Each array is (queries, k), in the order of the contract.
struct AnswerArrays {
  // Position and id of a neighbour that there is not; its similarity is minus infinity.
  static constexpr std::int64_t kNone = -1;

  float* similarities;
  std::int64_t* positions;
  std::int64_t* ids;
  double* scores64;  // null where float64 similarities are not asked for
};

// Writes that there is no neighbour.
inline void write_none(const AnswerArrays& arrays, std::size_t at) {
  arrays.similarities[at] = -std::numeric_limits<float>::infinity();
  arrays.positions[at] = AnswerArrays::kNone;
  arrays.ids[at] = AnswerArrays::kNone;
  if (arrays.scores64 != nullptr) arrays.scores64[at] = -std::numeric_limits<double>::infinity();
}

}  // namespace latentknn
