// Tells which cells may hold a row that a query still looks for.
//
// In the coordinates of Reduction, the rows of a cell lie within an angle m of the cell's centre: a cap on the
// sphere. A query that looks for similarities of at least s > 0 needs rows within the angle r = arccos(s - excess).
// So a cell whose centre is further from it than r + m holds none (the triangle inequality of angles).
// If neither r nor m is wider than a right angle, that is
//     cos(query, centre) < cos r cos m - sin r sin m.
// Rounding. Coordinates and centres are rounded to float32, which turns each by at most 1.1 * 2^-24; cos m is
// lowered by more than that. The product of the query and the centre, of `width` terms, is off by at most
// (width + 6) 2^-24 with the rounding of its operands, the right side by at most 6 * 2^-24; the left is raised by
// more than both. A zero row is similar to nothing, so no query looks for it while s > 0. Where s <= excess, or m is
// wider than a right angle, the cell is never skipped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernel_table.h"
#include "layout/reduction.h"
#include "platform/aligned_buffer.h"

namespace latentknn {

class CellCaps {
 public:
  static constexpr std::size_t kRun = 96;  // cells marked together; a multiple of every fp32 kernel's row_tile

  CellCaps(const KernelTable& kernels, std::size_t width, double excess, std::size_t cell_rows);

  // Measures the cells of `count` rows with coordinates `points`, (count, width).
  void measure(const float* points, std::size_t count);

  // Packs the coordinates of queries, (count, width), for mark().
  AlignedBuffer<char> pack(const float* points, std::size_t count) const;

  // The reach of a query that looks for nothing.
  static constexpr Reach kNowhere{0.0f, 0.0f, -8.0f};

  // The reach of a query that looks for similarities of at least `similarity`.
  Reach reach(double similarity) const;

  // Marks the cells of a run, from cell `run` * kRun on, that any query of a group of query_tile queries reaches:
  // `marks` (groups, kRun). Cells beyond the last are marked too.
  void mark(std::size_t run, const AlignedBuffer<char>& packed, const Reach* reaches, std::size_t groups,
            std::vector<float>& products, std::uint8_t* marks) const;

  // The share of all cells that queries at `points` reach, where each looks for its own similarity.
  double share_reached(const std::vector<float>& points, const std::vector<float>& similarities) const;

 private:
  void pack_runs();

  const KernelTable& kernels_;
  std::size_t width_;
  double excess_;
  std::size_t cell_rows_;
  std::size_t cells_ = 0;
  std::vector<float> centres_;  // (cells, width)
  std::vector<float> cosines_;  // cos m by cell; a multiple of kRun of them
  std::vector<float> sines_;    // sin m
  AlignedBuffer<char> packed_;  // the centres, run by run
};

}  // namespace latentknn
