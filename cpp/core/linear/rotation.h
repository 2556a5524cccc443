// Rotates vectors, scaled to length 1, so that no component is much larger than the others, whatever the vectors are.
//
// The rotation is R = (H_a x H_b) S. H_a x H_b is the Kronecker product of Hartley's matrices (hartley.h) of a and b
// lines. S has a random sign for each dimension. Without the signs, smooth vectors, such as images, would have a few
// large components. R costs a + b multiplications a component, where a dense matrix costs a b. Where dim has no good
// factors, zeros stand behind the vectors.
//
// Errors. R is what real numbers give, and orthonormal. A sum of b products is rounded by at most b 2^-24 of the sum of
// their absolutes, which H_b's Frobenius norm, sqrt(b), bounds by lengths. An element of H_b is rounded by 2^-24 of
// itself and, where its cosine and sine cancel, by some 2^-52 more: two more units are enough for both. So a stage
// moves a vector by at most (b + 2) sqrt(b) 2^-24 of its length, and the other stage turns what the first has moved.
// Rounding the scaled vector to float32 moves it by two more units.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/kernel_table.h"

namespace latentknn {

class Rotation {
 public:
  Rotation(const KernelTable& kernels, std::size_t dim);

  std::size_t width() const { return width_; }  // dim, or a little more
  double error() const { return error_; }       // bounds the length of the error of a vector's coordinates

  // The width() and the error() of a rotation of so many dimensions.
  static std::size_t width_of(std::size_t dim);
  static double error_of(std::size_t dim);

  // Writes the coordinates of `count` vectors, (count, width); those of zero vectors are zero.
  void rotate(const float* vectors, const double* squared_norms, std::size_t count, float* coordinates) const;

 private:
  const KernelTable& kernels_;
  std::size_t dim_;
  std::size_t inner_;  // b; components that are multiplied first stand side by side
  std::size_t outer_;  // a
  std::size_t width_;
  double error_;
  std::vector<float> inner_matrix_;
  std::vector<float> outer_matrix_;
  std::vector<double> signs_;
};

}  // namespace latentknn
