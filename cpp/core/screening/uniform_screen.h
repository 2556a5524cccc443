// Screens in one arithmetic over all dimensions, with one error bound for all pairs.
//
// Let u be 2^-24, c the cosine of q and x in exact arithmetic, s the similarity of rule 1, and v the score. Then s lies
// within (d + 16) 2^-53 of c, with the rounding of its scaling for the comparison with v. Clipping s to [-1, 1] cannot
// move it away from c.
//
// fp32. Both vectors are scaled to length 1, and v approximates s.
//   1. Packing computes x_j / |x| in float64 and rounds it to float32, with a relative error of at most
//      u1 = u (1 + 2^-20), which covers the float64 roundings before it, or 2^-150 absolutely below the
//      normal range. By Cauchy-Schwarz the product of the packed vectors lies within 2 u1 + u1^2 of c.
//   2. The kernel sums d products in one chain. With or without fused multiply-add, its error is at most
//      g(d + 1) (1 + u1)^2 with g(n) = n u / (1 - n u) (Higham, Accuracy and Stability of Numerical
//      Algorithms, section 3.1), as the absolute products of two unit vectors sum to at most one.
//   3. Gradual underflow adds at most 2^-149 to each of 3 d operations.
//   For d <= 2^20, 1 and 2 and the distance of s from c sum to less than g(d + 8); 3 is added as it stands.
//
// int16. Both vectors are scaled to length L = 32766 and rounded to integers, and v approximates L^2 s.
//   1. Each component moves by at most 1/2 + 2^-30, where 2^-30 is for the float64 roundings before it. So
//      each vector moves by at most E = sqrt(d) (1/2 + 2^-30).
//   2. The integer product is exact: no component exceeds 32767, and by Cauchy-Schwarz no partial sum
//      exceeds (L + E)^2, which is below 2^31 for d <= 2^20.
//   3. So the integer lies within 2 L E + E^2 of L^2 c, and rounding it to float32 adds u (L + E)^2.
#pragma once

#include "platform/aligned_buffer.h"
#include "screening/screen.h"

namespace latentknn {

class UniformScreen final : public Screen {
 public:
  enum class Packed { kept, each_time };

  static UniformScreen fp32(const KernelTable& kernels, std::size_t dim, Packed packed);
  static UniformScreen int16(const KernelTable& kernels, std::size_t dim, Packed packed);

  // The error bound of scores in so many dimensions, divided by the scale.
  static double fp32_error(std::size_t dim);
  static double int16_error(std::size_t dim);

  const char* name() const override { return name_; }
  const ScreenKernel& kernel() const override { return kernel_; }
  std::size_t packed_dim() const override { return dim_; }
  double score_scale() const override { return length_ * length_; }
  void reserve_rows(std::size_t count) override;
  void pack_rows(const float* rows, const double* squared_norms, std::size_t first, std::size_t count) override;
  const void* packed_rows() const override { return packed_.data(); }
  bool keeps_rows() const override { return keeps_rows_; }
  void pack_cell(const float* rows, const double* squared_norms, std::size_t count, void* out) const override;
  void pack_queries(const float* queries, const double* squared_norms, std::size_t count, void* packed,
                    ScoreBound* bounds) const override;

 private:
  UniformScreen(const char* name, const ScreenKernel& kernel, std::size_t dim, double length, double similarity_error,
                Packed packed)
      : name_(name),
        kernel_(kernel),
        dim_(dim),
        length_(length),
        error_(length * length * similarity_error),
        keeps_rows_(packed == Packed::kept) {}

  const char* name_;
  const ScreenKernel& kernel_;
  std::size_t dim_;
  double length_;  // length of the packed vectors
  double error_;
  bool keeps_rows_;
  AlignedBuffer<char> packed_;
};

}  // namespace latentknn
