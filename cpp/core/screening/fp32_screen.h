// Screening in float32.
//
// The bound. Let u = 2^-24, c the cosine of q and x in exact arithmetic, s the similarity of rule 1 and v
// the screened score.
//   1. Packing computes x_j / |x| in float64 and rounds it to float32: a relative error of at most
//      u1 = u (1 + 2^-20), which covers the float64 roundings before it, or 2^-150 absolutely below the
//      normal range. By Cauchy-Schwarz the product of the packed vectors lies within 2 u1 + u1^2 of c.
//   2. The kernel sums d products in one chain. With or without fused multiply-add, its error is at most
//      g(d + 1) (1 + u1)^2, g(n) = n u / (1 - n u) (Higham, Accuracy and Stability of Numerical
//      Algorithms, section 3.1), as the absolute products of two unit vectors sum to at most one.
//   3. s lies within (d + 10) 2^-53 of c; clipping s to [-1, 1] cannot move it away from c.
//   4. Gradual underflow adds at most 2^-149 to each of 3 d operations.
// For d <= 2^20 the terms 1 to 3 sum to less than g(d + 8). Term 4 is added as it stands.
#pragma once

#include "../aligned_buffer.h"
#include "screen.h"

namespace latentknn {

class Fp32Screen final : public Screen {
 public:
  static constexpr std::size_t kMaxDim = std::size_t{1} << 20;

  Fp32Screen(const ScreenKernel& kernel, std::size_t dim);

  const ScreenKernel& kernel() const override { return kernel_; }
  void reserve_rows(std::size_t count) override;
  void pack_rows(const float* rows, const double* squared_norms, std::size_t first, std::size_t last) override;
  const void* packed_rows() const override { return packed_.data(); }
  std::size_t row_bytes() const override { return packed_.size() * sizeof(float); }
  void pack_queries(const float* queries, const double* squared_norms, std::size_t count, void* packed,
                    double* errors) const override;

 private:
  const ScreenKernel& kernel_;
  std::size_t dim_;
  double error_;
  AlignedBuffer<float> packed_;
};

}  // namespace latentknn
