// A few coordinates that bound the similarity from above, so that much can be told from little.
//
// Let b = P x be the coordinates of x, of length 1, in the subspace of p principal directions, and t the length
// of what lies outside: principal_screen.h shows, with its B and w, for t = sqrt(max(0, 1 - |b|^2 + e)) and
// e = 2 B (1 + w) + B^2 + w (1 + w) + 2^-40, that
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
  // `directions` as principal_directions() gives them, at least one.
  Reduction(const KernelTable& kernels, const std::vector<float>& directions, std::size_t dim);

  std::size_t width() const { return projection_.count() + 1; }

  // A similarity exceeds the cosine of the coordinates' angle by at most this.
  double excess() const { return excess_; }

  // (count, width()): y / |y|, each rounded to float32; zeros for a zero vector.
  std::vector<float> reduce(const float* vectors, const double* squared_norms, std::size_t count) const;

 private:
  Projection projection_;
  double excess_;
};

}  // namespace latentknn
