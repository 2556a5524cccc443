// Sums beside scores: in float32 of float16 numbers they are the scores, in 32-bit integers of int8 their values.
#pragma once

#include <cmath>

#include "simt.cuh"

namespace latentknn::cuda {

// The least sum that is not below a score, and the largest that is not above one.
__device__ inline float least_sum(float score, float) { return score; }
__device__ inline float most_sum(float score, float) { return score; }

constexpr float kBeyondInt = 2147483648.0f;
__device__ inline std::int32_t least_sum(float score, std::int32_t) {
  if (score <= -kBeyondInt) return INT32_MIN;
  return score >= kBeyondInt ? INT32_MAX : static_cast<std::int32_t>(std::ceil(score));  // no sum is the largest
}
__device__ inline std::int32_t most_sum(float score, std::int32_t) {
  if (score >= kBeyondInt) return INT32_MAX;
  return score < -kBeyondInt ? INT32_MIN : static_cast<std::int32_t>(std::floor(score));
}

// A sum that is none: below all that there can be.
__device__ inline float no_sum(float) { return -INFINITY; }
__device__ inline std::int32_t no_sum(std::int32_t) { return INT32_MIN; }

}  // namespace latentknn::cuda
