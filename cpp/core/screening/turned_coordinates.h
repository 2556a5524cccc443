// Coordinates of vectors in which no component is much larger than the others, so that all use few bits equally.
//
// All dimensions. y = R x (rotation.h), so that q x = (R q) (R x). Rounding moves y by at most B, which moves the
// product by at most 2 B + B^2.
//
// A subspace. Coordinates are those in the principal subspace of P (p directions) and, as one more, the length t
// outside of it: q x <= (P q) (P x) + t_q t_x by Cauchy-Schwarz. H, Hartley's matrix (hartley.h), turns the n
// coordinates. H and P act together: with D = H (P, 0) and the last column l of H, the coordinates are y = D x + l t.
//
// D^T D nearly is a projector, as D D^T = I - l l^T + (at most w). So I - D^T D + w is positive semidefinite. Let t be
// sqrt(1 - |D x|^2 + w). Then, for vectors of length 1,
//     q x <= (D q) (D x) + t_q t_x + w.
// The product y_q y_x differs from (D q) (D x) + t_q t_x by t (D x) l <= 1.1 |D^T l| for either vector. Rounding moves
// D x by at most B (projection.h), which t allows for. It moves (D q) (D x) by at most 2 B (1 + w) + B^2.
//
// Together, with w = 0 and no l where all dimensions are kept:
//     q x <= y_q y_x + slack,    slack = w + 2 B (1 + w) + B^2 + 2.2 (|D^T l| + B) + (d + 16) 2^-53 + 2^-40.
// Without a tail the same differences bound q x from below.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "kernels/kernel_table.h"
#include "linear/projection.h"
#include "linear/rotation.h"

namespace latentknn {

class TurnedCoordinates {
 public:
  // `directions` come from principal_directions(); with none, all dimensions are kept.
  TurnedCoordinates(const KernelTable& kernels, const std::vector<float>& directions, std::size_t dim);

  std::size_t width() const { return width_; }
  bool in_subspace() const { return projection_.has_value(); }
  double slack() const { return slack_; }
  // Predicts the slack without its smaller terms: of all dimensions, and of a subspace with so many coordinates.
  static double slack_of(std::size_t dim);
  static double slack_of_subspace(std::size_t dim, std::size_t width);

  // Returns the coordinates of vectors, (count, width).
  std::vector<double> of(const float* vectors, const double* squared_norms, std::size_t count) const;

 private:
  void turn_subspace(const KernelTable& kernels, const std::vector<float>& directions);

  std::size_t dim_;
  std::size_t width_;
  std::optional<Rotation> rotation_;      // where all dimensions are kept
  std::optional<Projection> projection_;  // onto D
  std::vector<double> tail_;              // l
  double leak_ = 0.0;                     // |D^T l|
  double slack_;
};

}  // namespace latentknn
