// Screens in 8-bit integers, with the measured error of each query.
//
// Coordinates. Either all dimensions are kept, or the principal subspace of P (p directions) and, as one more
// coordinate, the length t outside of it: q x <= (P q) (P x) + t_q t_x by Cauchy-Schwarz. H, the orthonormal Hartley
// matrix with a random sign for each of its columns, rotates the n coordinates, so that no component is much larger than
// the others and all use the few bits equally. Without the signs it would gather the low frequencies of images in a few
// components. H and P act together: with D = H (P, 0), the coordinates are y = D x + l t, where l is the last column of
// H. Where all dimensions are kept, D = H, and there is no t.
//
// Rotated coordinates. G = D^T D nearly is a projector: D D^T = I - l l^T + (at most w). So I - G + w is
// positive semidefinite, and with t = sqrt(1 - |D x|^2 + w), for vectors of length 1,
//     q x <= (D q) (D x) + t_q t_x + w,
// and y_q y_x differs from that by t (D x) l <= 1.1 |D^T l| for either vector. Rounding moves D x by at most B
// (projection.h), which t allows for, and D q D x with it by at most 2 B (1 + w) + B^2. Together:
//     q x <= y_q y_x + slack,    slack = w + 2 B (1 + w) + B^2 + 2.2 (|D^T l| + B) + (d + 16) 2^-53 + 2^-40.
// Where sums have 32 bits (below) it is 9 * 2^-24 more. Without a tail the same differences bound q x from below.
//
// Integers. With a centre m and steps A, B', write y_q = m + A a + r_q, y_x = m + B' b + r_x, where a has
// integers up to ScreenKernel::query_largest, 63 or 127, and b up to 127. Then
//     y_q y_x = y_q m + m (y_x - m) + A B' a b + r_q (B' b) + (y_q - m) r_x,
// of which the first belongs to the query, the second to the row (its start, rounded to whole units A B'), the
// third is exact in integers, and the last two are at most E = |r_q| max|B' b| + |y_q - m| max|r_x|, with the
// query's own measured residual and the largest one of the rows. Rows beyond those maxima are left unscreened.
//
// Sums of 32 bits. A score is below 9 in similarities, the rounding of up to 4,096 components included, so units of at
// least 9 * 2^-30 keep it below 2^30, and its difference from any cutoff that a score can reach within 32 bits.
// Sums that wrap on the way there do no harm. A score beyond 2^24 is rounded to float32 when it is reported, which
// moves it by 2^-24 of 9 at most; the slack has room for that.
//
// Wrapping. Where a kernel's sums have 16 bits, scores are kept modulo 2^16. In units of A B', S = (q x - y_q m) up to
// E and slack is below U = (largest q x) - (least y_q m) plus E, so after subtracting a shift from every start no score
// wraps at its upper end, and that is enough: one that wraps below only makes a row look too good. A query for which U
// does not hold has every row as a candidate.
#pragma once

#include <limits>
#include <mutex>

#include "linear/projection.h"
#include "platform/aligned_buffer.h"
#include "rows/rows.h"
#include "screening/screen.h"

namespace latentknn {

class Int8Screen final : public Screen {
 public:
  // `directions` come from principal_directions(); with none, it screens in all dimensions. Steps and centre come from
  // the sample.
  Int8Screen(const KernelTable& kernels, const std::vector<float>& directions, std::size_t dim, const Rows& sample);

  const char* name() const override { return tail_ ? "pca" : "int8"; }
  const ScreenKernel& kernel() const override { return kernels_.of(Arithmetic::int8); }
  std::size_t packed_dim() const override { return width_; }
  double score_scale() const override { return 1.0 / (steps_.query * steps_.row); }
  void reserve_rows(std::size_t count) override;
  void pack_rows(const float* rows, const double* squared_norms, std::size_t first, std::size_t count) override;
  const void* packed_rows() const override { return packed_.data(); }
  std::vector<std::uint32_t> unscreened_places() const override;
  void pack_queries(const float* queries, const double* squared_norms, std::size_t count, void* packed,
                    ScoreBound* bounds) const override;

 private:
  struct Rotation;
  struct Quantised {
    double length;    // length of the centred vector
    double kept;      // length of the part that the integers stand for
    double residual;  // length of the rest
    double along_centre;
  };

  // The steps of the integers, and the shift of scores.
  struct Steps {
    double query_largest;
    double query = 1.0;
    double row = 1.0;
    double shift = 0.0;
  };
  // Extremes over the rows that are screened.
  struct Extremes {
    double row = 0.0;                                          // max|B' b|
    double residual = 0.0;                                     // max|r_x|
    double highest = std::numeric_limits<double>::infinity();  // U, where scores wrap
  };
  // Places of rows that scores say nothing about. Several threads may add places.
  struct Unscreened {
    std::vector<std::uint32_t> places;
    std::mutex mutex;
  };

  Int8Screen(const KernelTable& kernels, const Rotation& rotation, std::size_t dim, const Rows& sample);
  std::vector<double> coordinates(const float* vectors, const double* squared_norms, std::size_t count) const;
  Quantised quantise(const double* vector, double step, double largest, float* integers) const;
  void choose_steps(const Rows& sample);
  void fit_sixteen_bits(const std::vector<double>& sample, std::size_t count);
  void measure_rows(const std::vector<double>& sample, std::size_t count);
  double error(const Quantised& query) const;
  double reach(const Quantised& query) const;
  void forget_unscreened(std::size_t first, std::size_t last);

  const KernelTable& kernels_;
  std::size_t dim_;
  std::size_t width_;
  bool tail_;
  std::vector<double> tail_direction_;  // l
  Projection projection_;
  double slack_;
  std::vector<double> centre_;
  Steps steps_;
  Extremes extremes_;
  AlignedBuffer<char> packed_;
  std::size_t reserved_ = 0;
  std::size_t packed_before_ = 0;  // number of rows when room was last made
  mutable Unscreened unscreened_;
};

}  // namespace latentknn
