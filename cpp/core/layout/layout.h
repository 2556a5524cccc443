// Gives every row its place in the screens' packed copies. Near rows stand together, so that a query is soon compared
// with its best ones and need not look at most of the others.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "layout/cell_caps.h"
#include "layout/reduction.h"
#include "layout/row_tree.h"
#include "platform/thread_pool.h"
#include "rows/rows.h"

namespace latentknn {

class Layout {
 public:
  // More directions tell more rows apart, but widen the caps of cells. Eight pruned best, or nearly, on codes of
  // 32 to 128 dimensions and on raw pixels.
  static constexpr std::size_t kDirections = 8;

  // Orders `rows` by the first few of `directions`, which principal_directions() gives. Where there are none, rows keep
  // their own order.
  Layout(const KernelTable& kernels, std::vector<float> directions, const Rows& rows, std::size_t threads,
         const ThreadPool::Poll& poll);

  // The row at each place.
  const std::vector<std::uint32_t>& order() const { return order_; }

  // Whether the row at a place is equal to the row at the place before.
  bool repeats(std::size_t place) const { return repeats_[place]; }

  // Rows of a cell: a multiple of every screen's row_tile. Queries skip whole cells.
  std::size_t cell_rows() const { return cell_rows_; }
  // The last cell may have fewer.
  std::size_t rows_in(std::size_t cell) const { return std::min(cell_rows(), order_.size() - cell * cell_rows()); }

  // Tells which cells a query can reach; null where nothing tells.
  const CellCaps* caps() const { return caps_ ? &*caps_ : nullptr; }
  void forget_caps() { caps_.reset(); }

  // The share of all cells that a query is expected to reach: all, until another share is predicted.
  double reached() const { return reached_; }
  void predict_reached(double share) { reached_ = share; }

  // Whether queries have a point and a place.
  bool ordered() const { return reduction_.has_value(); }
  std::size_t width() const { return reduction_->width(); }
  std::vector<float> points(const float* vectors, const double* squared_norms, std::size_t count) const {
    return reduction_->reduce(vectors, squared_norms, count);
  }
  std::size_t place(const float* point) const { return tree_->place(point); }

 private:
  void find_repeats(const Rows& rows, std::size_t threads, const ThreadPool::Poll& poll);
  std::vector<float> points_of(const Rows& rows, std::size_t threads, const ThreadPool::Poll& poll) const;

  const std::size_t cell_rows_;
  std::optional<Reduction> reduction_;
  std::optional<RowTree> tree_;
  std::optional<CellCaps> caps_;
  double reached_ = 1.0;
  std::vector<std::uint32_t> order_;
  std::vector<bool> repeats_;
};

}  // namespace latentknn
