// Predicts from a sample of the rows how many rows a screen would leave to a query.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "rows/rows.h"
#include "screening/principal_screen.h"

namespace latentknn {

struct Forecast {
  std::size_t directions;  // 0 for all dimensions
  Arithmetic arithmetic;
  double candidates;  // rows that are left to a query
};

class CandidateForecast {
 public:
  static constexpr double kNeighbours = 30.0;  // neighbours for which candidates are counted: between few and many

  // Predicts for screens in all dimensions, and in the first few directions of `principal`, where it is not null.
  CandidateForecast(const KernelTable& kernels, const PrincipalScreen* principal, const Rows& sample,
                    std::size_t row_count, std::size_t threads);

  std::vector<Forecast> forecasts() const;

  // Rows of the sample that stand for queries; thresholds() are the similarities of their last neighbours.
  const std::vector<std::uint32_t>& queries() const { return queries_; }
  const std::vector<float>& thresholds() const { return thresholds_; }

 private:
  void project(const PrincipalScreen& principal, const Rows& sample, std::size_t threads);
  double int8_error(std::size_t width, double slack) const;
  double share(std::size_t count) const;
  std::size_t left_in_all_dimensions(std::size_t query, double error) const;
  std::vector<std::size_t> most_in_subspace() const;
  Forecast in_all_dimensions(Arithmetic arithmetic, double error) const;
  std::vector<std::vector<float>> tails_beyond(const std::vector<std::size_t>& counts) const;
  void add_directions(std::vector<Forecast>& forecasts) const;

  const KernelTable& kernels_;
  std::size_t dim_;
  std::size_t width_ = 0;  // number of directions, and one for the length outside of them
  std::size_t count_;
  double each_;                      // rows of the database that one row of the sample stands for
  double spread_ = 1.0;              // length of a centred row, typically
  double range_ = 2.0;               // range of similarities, less their part along the centre
  std::vector<float> by_dimension_;  // (width, count): the projected sample, dimension by dimension
  std::vector<std::uint32_t> queries_;
  std::vector<float> thresholds_;
  std::vector<float> products_;  // (queries, stride): similarities of the sample
  std::size_t stride_ = 0;
};

}  // namespace latentknn
