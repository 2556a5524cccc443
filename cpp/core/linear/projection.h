// Unit vectors projected onto a few directions, with bounds on everything that rounding does to them.
#pragma once

#include <cstddef>
#include <vector>

#include "linear/matrix_product.h"

namespace latentknn {

class Projection {
 public:
  // `directions` (count, dim). Let D be their matrix and E the identity, less the projector onto `left_out` (a
  // unit vector of `count` elements) where that is not empty: D D^T = E up to rounding.
  Projection(const KernelTable& kernels, const std::vector<float>& directions, std::size_t dim,
             const std::vector<double>& left_out);

  struct Result {
    std::size_t stride;
    std::vector<float> coordinates;  // (vectors, stride), of which the first count() are meant
    std::vector<double> outside;     // per vector, at least the length of what is left of it; 0 for zero vectors
  };
  Result project(const float* vectors, const double* squared_norms, std::size_t vector_count) const;

  std::size_t count() const { return count_; }
  // What error() is for so many orthonormal directions.
  static double error_of(std::size_t dim, std::size_t count);

  double error() const { return error_; }                              // B: of a vector's coordinates, in length
  double orthogonality_error() const { return orthogonality_error_; }  // w: of |D D^T - E|

 private:
  const KernelTable& kernels_;
  std::size_t dim_;
  std::size_t count_;
  double orthogonality_error_;
  double error_;
  PackedVectors directions_;
};

}  // namespace latentknn
