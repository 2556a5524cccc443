// Reduces vectors to a few coordinates that bound the similarity from above.
//
// Let x have length 1, and let b = P x be its coordinates in the subspace of p principal directions, as Projection
// computes them. B is their error and w that of the directions (error() and orthogonality_error() of projection.h).
// The length outside is at most t = sqrt(max(0, 1 - |b|^2 + e)), e = 2 B (1 + w) + B^2 + w (1 + w) + 2^-40, where
// 2^-40 is for the rounding of the other terms. Products inside move by at most 2 B (1 + w) + B^2; products outside
// are at most t_q t_x with an error of w (1 + w) (principal_screen.h has each of these steps), so that
//     q x <= y_q y_x + e + (d + 16) 2^-53,    y = (b, t).
// Either |y|^2 = 1 + e, or t = 0 and 1 + e < |b|^2 <= (1 + w + B)^2. So 1 <= |y_q| |y_x| <= 1 + m with
// m = e + 2 w + w^2, and with the angle between y_q and y_x
//     q x <= cos(angle) + m + e + (d + 16) 2^-53.
#pragma once

#include <cstddef>
#include <vector>

#include "linear/projection.h"

namespace latentknn {

class Reduction {
 public:
  // `directions` come from principal_directions(), at least one.
  Reduction(const KernelTable& kernels, const std::vector<float>& directions, std::size_t dim);

  std::size_t width() const { return projection_.count() + 1; }

  // The most by which a similarity exceeds the cosine of the coordinates' angle.
  double excess() const { return excess_; }

  // Returns y / |y| of each vector, (count, width()), rounded to float32; zeros for a zero vector.
  std::vector<float> reduce(const float* vectors, const double* squared_norms, std::size_t count) const;

 private:
  Projection projection_;
  double excess_;
};

}  // namespace latentknn
