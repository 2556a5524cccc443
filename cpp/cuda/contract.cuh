// The contract's arithmetic, by eight lanes for each vector: the same operations as in the core's kernels.
#pragma once

#include <cmath>

#include "simt.cuh"

namespace latentknn::cuda {

inline constexpr unsigned kLanes = 8;

// Eight lanes call together, and the first gets S(a, b). All lanes of a warp must call.
__device__ inline double product(const float* a, const float* b, std::size_t dim, unsigned lane) {
  constexpr unsigned kAhead = 8;  // values loaded together, so that a lane waits for memory once
  double sum = 0.0;
  std::size_t j = lane;
  for (; j + (kAhead - 1) * kLanes < dim; j += kAhead * kLanes) {
    float left[kAhead], right[kAhead];
#pragma unroll
    for (unsigned i = 0; i < kAhead; ++i) {
      left[i] = a[j + i * kLanes];
      right[i] = b[j + i * kLanes];
    }
#pragma unroll
    for (unsigned i = 0; i < kAhead; ++i) {
      sum = std::fma(static_cast<double>(left[i]), static_cast<double>(right[i]), sum);
    }
  }
  for (; j < dim; j += kLanes) sum = std::fma(static_cast<double>(a[j]), static_cast<double>(b[j]), sum);
  for (unsigned w = kLanes / 2; w > 0; w /= 2) sum += from_above(sum, w);
  return sum;
}

__device__ inline double similarity(double product, double query_norm, double row_norm) {
  if (query_norm == 0.0 || row_norm == 0.0) return 0.0;
  const double cosine = product / std::sqrt(query_norm * row_norm);
  return cosine > 1.0 ? 1.0 : cosine < -1.0 ? -1.0 : cosine;
}

// Return the largest float32 that is not above a value, and the smallest that is not below it.
__device__ inline float round_down(double value) {
  const float nearest = static_cast<float>(value);
  return static_cast<double>(nearest) > value ? std::nextafter(nearest, -INFINITY) : nearest;
}
__device__ inline float round_up(double value) { return -round_down(-value); }

}  // namespace latentknn::cuda
