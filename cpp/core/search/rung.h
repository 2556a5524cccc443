// One rung of the ladder of screens that a block of queries climbs. It has a screen and the queries packed for it.
// It knows the cells to compare them with.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/kernel_table.h"
#include "layout/layout.h"
#include "platform/aligned_buffer.h"
#include "rows/rows.h"
#include "screening/screen.h"

namespace latentknn {

// A row that screening has left, with an upper and a lower bound of its similarity.
struct Candidate {
  float upper;
  float lower;
  std::uint32_t place;
};

class Rung {
 public:
  Rung(const Screen& screen, const Layout& layout, const Rows& rows) : screen_(screen), layout_(layout), rows_(rows) {}

  // Begins a block of queries.
  void start(const float* queries, const double* squared_norms, std::size_t count);
  // Packs the queries, with cutoffs by their thresholds, unless they are packed already.
  void pack_queries(const std::vector<double>& thresholds);

  // The cost of comparing a query with a row, where so many queries are compared with it together.
  double cost_per_row(double together) const;

  const ScreenKernel& kernel() const { return screen_.kernel(); }

  // Turns a score into bounds of the similarity of query q and the row.
  Candidate candidate(std::size_t q, float score, std::uint32_t place) const {
    const ScoreBound& bound = bounds_[q];
    const double upper = static_cast<double>(score) * per_score_ + bound.above;
    return {static_cast<float>(std::min(upper, kHighest) + kRounding),
            static_cast<float>(upper - bound.width - kRounding), place};
  }
  // Scores of query q that bound similarities from below lie between these, but for rounding.
  float least_score(std::size_t q) const { return score_of(q, -1.0); }
  float greatest_score(std::size_t q) const { return score_of(q, 1.0 + bounds_[q].width); }
  // No similarity to query q is further below its candidate's upper bound. candidate() adds at most 1.5 kRounding.
  double width(std::size_t q) const { return bounds_[q].width + 2.0 * kRounding; }
  // Whether scores of query q bound similarities from below.
  bool bounds_below(std::size_t q) const { return bounds_[q].width < std::numeric_limits<double>::infinity(); }

  bool finds_maxima() const { return screen_.finds_maxima(); }
  // Finds the highest scores of some tiles of queries. The task has everything but the operands.
  void find_maxima(MaximaTask& task) const;

  void set_threshold(std::size_t q, double threshold);

  // Asks for a tile of queries to be compared with a cell. Cells come in ascending order.
  void want(std::size_t cell, std::size_t query_tile);

  // Compares everything that is wanted. `task` has the buffer and the function for hits.
  // Returns the number of pairs of a query and a row.
  std::size_t compare(ScreenTask& task);

 private:
  struct Wanted {
    std::size_t cell;
    std::uint32_t begin;  // the cell's tiles of queries are query_tiles_[begin] to query_tiles_[end - 1]
    std::uint32_t end;
  };

  // Float32 rounds a bound below 4 by at most half of this.
  static constexpr double kRounding = 0x1p-22;
  static constexpr double kHighest = 2.0;  // a bound above every similarity

  // Returns the score that gives an upper bound.
  float score_of(std::size_t q, double upper) const {
    return static_cast<float>((upper - bounds_[q].above) * screen_.score_scale());
  }
  const void* packed_cell(std::size_t cell);

  const Screen& screen_;
  const Layout& layout_;
  const Rows& rows_;
  const float* queries_ = nullptr;
  const double* squared_norms_ = nullptr;
  std::size_t count_ = 0;
  bool packed_ = false;
  double per_score_ = 1.0;
  std::vector<ScoreBound> bounds_;  // bounds in units of similarity
  AlignedBuffer<char> packed_queries_;
  AlignedBuffer<char> cutoffs_;
  std::vector<float> gathered_;  // rows of a cell, where the screen keeps no packed rows
  std::vector<double> gathered_norms_;
  AlignedBuffer<char> packed_rows_;  // gathered_, packed for the kernel
  std::vector<Wanted> wanted_;
  std::vector<std::uint32_t> query_tiles_;
  std::vector<TileVisit> visits_;
};

}  // namespace latentknn
