// How far the tensor cores' similarity can be from the contract's.
//
// Let d(x) be by how much rounding changes a vector of length one. The product of two rounded vectors differs from the
// cosine by at most d(q) + d(x) + d(q) d(x) (Cauchy and Schwarz). Both arithmetics measure the d of each vector and
// take the largest of the rows'.
//
// float16: vectors are scaled to length kUnit before they are rounded. Products are exact. Their sums are taken a few
// at a time, each term cut off below 2^-23 of the largest and the result to 24 bits (M. Fasi et al., "Numerical
// behavior of NVIDIA tensor cores", 2021, of V100, T4 and A100). How many at a time depends on the hardware; the bound
// does not: if a single product were added to the sum at a time, each of n additions would cut off two terms and a
// result, below 2^-23 of the sum of absolute values each, and more at a time are cut off less often. An addition of n
// terms so errs by less than 2^-21 n of that sum, which is at most (1 + d(q)) (1 + d(x)). (From some 16,000 dimensions
// on that alone leaves too many rows, and such queries are given up.)
//
// int8: queries are scaled so that their largest component is 127, and rows all alike, so that 127 is the largest
// component of those there were when the scale was chosen; what lies beyond is cut off, which is a part of d. Sums are
// exact: 127^2 times the dimensions is below 2^31. They are kept as float32, rounded to the nearest: 2^-24 of a sum
// that is at most (1 + d(q)) (1 + d(x)).
//
// kSlack covers the contract's own rounding and that of d.
#pragma once

#include <cstddef>

#include "arithmetic.h"

namespace latentknn::cuda {

inline constexpr float kUnit = 256.0f;  // keeps what matters out of the subnormal float16 numbers
inline constexpr double kMostInt8 = 127.0;
inline constexpr double kSlack = 1e-8;

// The sums of `terms` products, over the largest that there can be.
constexpr double sum_error(Arithmetic arithmetic, std::size_t terms) {
  return arithmetic == Arithmetic::fp16 ? static_cast<double>(terms) * 0x1p-21 : 0x1p-24;
}

constexpr double screening_error(Arithmetic arithmetic, double query_rounding, double row_rounding, std::size_t terms) {
  const double lengths = (1.0 + query_rounding) * (1.0 + row_rounding);
  return lengths - 1.0 + sum_error(arithmetic, terms) * lengths + kSlack;
}

}  // namespace latentknn::cuda
