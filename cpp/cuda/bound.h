// A bound of how far the tensor cores' similarity is from the contract's.
//
// Let d(x) be the length of the change that rounding makes to a vector x of length one. The product of two rounded
// vectors differs from the cosine by at most d(q) + d(x) + d(q) d(x) (Cauchy and Schwarz). Both arithmetics measure
// the d of each vector and use the largest of all rows.
//
// float16: vectors are scaled to length kUnit before they are rounded. Products are exact. They are added a few at a
// time: each term is cut off below 2^-23 of the largest term, and the result is cut off to 24 bits (M. Fasi et al.,
// "Numerical behavior of NVIDIA tensor cores", 2021, about V100, T4 and A100). How many are added at a time depends on
// the hardware, but the bound does not. Let A be the sum of absolute values, at most (1 + d(q)) (1 + d(x)).
// If products were added one by one, each of n additions would cut off two terms and a result by less than 2^-23 A.
// If more are added at a time, they are cut off less often. So the sum of n terms is wrong by less than 2^-21 n A.
// (From some 16,000 dimensions on this error alone leaves too many rows, and queries fail.)
//
// int8: each query is scaled so that its largest component becomes 127. All rows have one scale, by which the largest
// component of the rows that it was chosen for becomes 127. Components of later rows beyond 127 are cut off: this
// counts in d. Sums are exact: 127^2 times the dimensions is below 2^31. They are at most (1 + d(q)) (1 + d(x)).
// Rounding them to the nearest float32 changes them by at most 2^-24 of themselves.
//
// kSlack covers the rounding of the contract's similarity and of d.
#pragma once

#include <cstddef>

#include "arithmetic.h"

namespace latentknn::cuda {

inline constexpr float kUnit = 256.0f;  // large enough that components that matter are not subnormal
inline constexpr double kMostInt8 = 127.0;
inline constexpr double kSlack = 1e-8;

// Returns the error of a sum of `terms` products, divided by the largest possible sum.
constexpr double sum_error(Arithmetic arithmetic, std::size_t terms) {
  return arithmetic == Arithmetic::fp16 ? static_cast<double>(terms) * 0x1p-21 : 0x1p-24;
}

constexpr double screening_error(Arithmetic arithmetic, double query_rounding, double row_rounding, std::size_t terms) {
  const double lengths = (1.0 + query_rounding) * (1.0 + row_rounding);
  return lengths - 1.0 + sum_error(arithmetic, terms) * lengths + kSlack;
}

}  // namespace latentknn::cuda
