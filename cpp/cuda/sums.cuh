// Comparisons of sums with scores. A sum of float16 products is in float32 and equals the score.
// A sum of int8 products is a 32-bit integer with the score's value.
#pragma once

#include <cmath>

#include "kernels.h"
#include "simt.cuh"

namespace latentknn::cuda {

// Return the least sum that is not below a score, and the largest that is not above it.
__device__ inline float least_sum(float score, float) { return score; }
__device__ inline float most_sum(float score, float) { return score; }

constexpr float kBeyondInt = 2147483648.0f;
__device__ inline std::int32_t least_sum(float score, std::int32_t) {
  if (score <= -kBeyondInt) return INT32_MIN;
  return score >= kBeyondInt ? INT32_MAX : static_cast<std::int32_t>(std::ceil(score));  // no sum equals INT32_MAX
}
__device__ inline std::int32_t most_sum(float score, std::int32_t) {
  if (score >= kBeyondInt) return INT32_MAX;
  return score < -kBeyondInt ? INT32_MIN : static_cast<std::int32_t>(std::floor(score));
}

// Returns a value below all possible sums, which stands for no sum.
__device__ inline float no_sum(float) { return -INFINITY; }
__device__ inline std::int32_t no_sum(std::int32_t) { return INT32_MIN; }

// Returns the largest sum of a group, by some chains of comparisons that do not wait for one another.
template <class Sum, class Sums>
__device__ Sum largest_of_group(const Sums& sums, unsigned group) {
  constexpr unsigned kChains = 4;
  Sum largest[kChains];
#pragma unroll
  for (unsigned j = 0; j < kGroupRows; ++j) {
    Sum& of_chain = largest[j % kChains];
    const Sum sum = sums.at(group, j);
    of_chain = j < kChains || sum > of_chain ? sum : of_chain;
  }
#pragma unroll
  for (unsigned chain = 1; chain < kChains; ++chain) {
    largest[0] = largest[chain] > largest[0] ? largest[chain] : largest[0];
  }
  return largest[0];
}

}  // namespace latentknn::cuda
