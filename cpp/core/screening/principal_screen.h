// Screens in the principal subspace of the rows, with an exact bound for what lies outside of it.
//
// Let P be p directions of d elements, let q and x have length 1, a = P q, b = P x, and let q', x' be the parts of q
// and x outside the subspace: x' = x - P^T b. If P P^T = I + D with |D| <= w, then
//     q x = a b + q' x' + r,    |r| <= w (1 + w),    |x'|^2 <= 1 - |b|^2 + w (1 + w),
// and by Cauchy-Schwarz q' x' <= |q'| |x'|. So the vector (b, |x'|) of p + 1 dimensions gives an upper
// bound of the similarity as one more inner product, and the tile of kernels/tile.inl computes it as it is
// (the idea of an exact tail bound is Panorama's and PDX's; here it is one dimension more).
//
// Rounding. Let L be the scale of the integers.
//   1. b is computed in float32 with an error of at most B in length (Projection::error(); the absolute
//      directions have a norm of at most sqrt(p) (1 + w)). So a b moves by at most 2 B (1 + w) + B^2, and
//      |x'|^2 <= 1 - |b|^2 + 2 B (1 + w) + B^2 + w (1 + w) with the computed b. The root of that, times L, is
//      rounded up.
//   2. L b is rounded to integers, which moves it by at most E = sqrt(p) (1/2 + 2^-30). So the integer
//      product moves by at most 2 L E (1 + B + w) + E^2.
//   3. The integer product is exact: see UniformScreen; (b, |x'|) is at most 1 + 2 B + 2 w long, and L
//      leaves room for that. Rounding it to float32 adds 2^-24 of its largest value.
//   4. The similarity of rule 1 lies within (d + 16) 2^-53 of the cosine.
#pragma once

#include "linear/projection.h"
#include "platform/aligned_buffer.h"
#include "screening/screen.h"

namespace latentknn {

class PrincipalScreen final : public Screen {
 public:
  // `directions` come from principal_directions(), at least one.
  PrincipalScreen(const KernelTable& kernels, const std::vector<float>& directions, std::size_t dim);

  const char* name() const override { return "pca"; }
  const ScreenKernel& kernel() const override { return kernels_.of(Arithmetic::int16); }
  std::size_t packed_dim() const override { return count_ + 1; }
  double score_scale() const override;
  void reserve_rows(std::size_t count) override;
  void pack_rows(const float* rows, const double* squared_norms, std::size_t first, std::size_t count) override;
  const void* packed_rows() const override { return packed_.data(); }
  void pack_queries(const float* queries, const double* squared_norms, std::size_t count, void* packed,
                    ScoreBound* bounds) const override;

  // Returns the coordinates of vectors in the subspace, and the length outside of it: (count, packed_dim()).
  std::vector<float> project(const float* vectors, const double* squared_norms, std::size_t count) const;

 private:
  template <class Pack>
  void in_parts(const float* vectors, const double* squared_norms, std::size_t count, const Pack& pack) const;

  const KernelTable& kernels_;
  std::size_t dim_;
  std::size_t count_;  // number of directions
  Projection projection_;
  double error_;
  AlignedBuffer<char> packed_;
};

}  // namespace latentknn
