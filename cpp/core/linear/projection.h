// Projects vectors, scaled to length 1, onto a few directions, with bounds of all rounding errors.
#pragma once

#include <cstddef>
#include <vector>

#include "linear/matrix_product.h"

namespace latentknn {

class Projection {
 public:
  // Let D be the matrix of `directions`, (count, dim), and E the identity, less the projector onto `left_out` (a unit
  // vector of `count` elements) where that is not empty. D D^T must be E up to rounding.
  Projection(const KernelTable& kernels, const std::vector<float>& directions, std::size_t dim,
             const std::vector<double>& left_out);

  struct Result {
    std::size_t stride;
    std::vector<float> coordinates;  // (vectors, stride); only the first count() of a line matter
    std::vector<double> outside;     // by vector: upper bound of the length outside of the subspace; 0 for zero vectors
  };
  Result project(const float* vectors, const double* squared_norms, std::size_t vector_count) const;

  std::size_t count() const { return count_; }
  // The error() of so many orthonormal directions.
  static double error_of(std::size_t dim, std::size_t count);

  double error() const { return error_; }  // B: bounds the length of the error of a vector's coordinates
  double orthogonality_error() const { return orthogonality_error_; }  // w: bounds |D D^T - E|

 private:
  const KernelTable& kernels_;
  std::size_t dim_;
  std::size_t count_;
  double orthogonality_error_;
  double error_;
  PackedVectors directions_;
};

}  // namespace latentknn
