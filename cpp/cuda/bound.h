// How far the tensor cores' similarity can be from the contract's.
//
// Vectors are scaled to length kUnit and rounded to halves. Let d(x) be the length of what rounding changed, over
// kUnit. By the inequality of Cauchy and Schwarz the product of two rounded vectors, over kUnit^2, differs from the
// cosine by at most d(q) + d(x) + d(q) d(x).
//
// The products of halves are exact. Their sums are taken a few at a time, each term cut off below 2^-23 of the largest
// and the result to 24 bits (M. Fasi et al., "Numerical behavior of NVIDIA tensor cores", 2021: four, eight or
// sixteen terms and the sum so far), so that an addition of n terms errs by at most (n + 2) 2^-23 of the sum of
// absolute values, which is at most (1 + d(q)) (1 + d(x)). That is less than 2^-22 for every dimension.
//
// kSlack covers the contract's own rounding and that of d.
#pragma once

#include <cstddef>

namespace latentknn::cuda {

inline constexpr float kUnit = 256.0f;  // keeps what matters out of the denormal halves
inline constexpr double kScale = 65536.0;
inline constexpr double kSumError = 0x1p-22;
inline constexpr double kSlack = 1e-8;

constexpr double screening_error(double query_rounding, double row_rounding, std::size_t packed_dim) {
  const double lengths = (1.0 + query_rounding) * (1.0 + row_rounding);
  return lengths - 1.0 + static_cast<double>(packed_dim) * kSumError * lengths + kSlack;
}

}  // namespace latentknn::cuda
