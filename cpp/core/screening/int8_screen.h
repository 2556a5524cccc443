// Screens in 8-bit integers, with the measured error of each query.
//
// Coordinates. y_q and y_x are those of TurnedCoordinates, with its slack: q x <= y_q y_x + slack. Where sums have 32
// bits (below) the slack is 9 * 2^-24 more.
//
// Integers. With a centre m and steps A, B', write y_q = m + A a + r_q, y_x = m + B' b + r_x, where a has
// integers up to ScreenKernel::query_largest, 63 or 127, and b up to 127. Then
//     y_q y_x = y_q m + m (y_x - m) + A B' a b + r_q (B' b) + (y_q - m) r_x,
// of which the first belongs to the query, the second to the row (its start, rounded to whole units A B'), the
// third is exact in integers, and the last two are at most E = |r_q| max|B' b| + |y_q - m| max|r_x|, with the
// query's own measured residual and the largest one of the rows. Rows beyond those maxima are left unscreened.
//
// Sums of 32 bits. A score is below 9 in similarities, the rounding of up to 4,096 components included (more dimensions
// have no such screen, and 4,096 is well factored, so that rotations do not pad beyond it), so units of at least 9 *
// 2^-30 keep it below 2^30, and its difference from any cutoff that a score can reach within 32 bits. Sums that wrap on
// the way there do no harm. A score beyond 2^24 is rounded to float32 when it is reported, which moves it by 2^-24 of 9
// at most; the slack has room for that.
//
// Wrapping. Where a kernel's sums have 16 bits, scores are kept modulo 2^16. In units of A B', S = (q x - y_q m) up to
// E and slack is below U = (largest q x) - (least y_q m) plus E, so after subtracting a shift from every start no score
// wraps at its upper end, and that is enough: one that wraps below only makes a row look too good. A query for which U
// does not hold has every row as a candidate.
#pragma once

#include <limits>
#include <mutex>

#include "platform/aligned_buffer.h"
#include "rows/rows.h"
#include "screening/screen.h"
#include "screening/turned_coordinates.h"

namespace latentknn {

class Int8Screen final : public Screen {
 public:
  // `directions` come from principal_directions(); with none, it screens in all dimensions. Steps and centre come from
  // the sample.
  Int8Screen(const KernelTable& kernels, const std::vector<float>& directions, std::size_t dim, const Rows& sample);

  const char* name() const override { return coordinates_.in_subspace() ? "pca" : "int8"; }
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

  Quantised quantise(const double* vector, double step, double largest, float* integers) const;
  void choose_steps(const Rows& sample);
  void fit_sixteen_bits(const std::vector<double>& sample, std::size_t count);
  void measure_rows(const std::vector<double>& sample, std::size_t count);
  double error(const Quantised& query) const;
  double reach(const Quantised& query) const;
  void forget_unscreened(std::size_t first, std::size_t last);

  const KernelTable& kernels_;
  std::size_t dim_;
  TurnedCoordinates coordinates_;
  std::size_t width_;
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
