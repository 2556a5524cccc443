#include "layout/layout.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

namespace latentknn {

namespace {

// The largest row_tile is a multiple of all others.
std::size_t largest_row_tile(const KernelTable& kernels) {
  std::size_t largest = 0;
  for (const ScreenKernel& kernel : kernels.screens) largest = std::max(largest, kernel.row_tile);
  return largest;
}

}  // namespace

Layout::Layout(const KernelTable& kernels, std::vector<float> directions, std::size_t dim)
    : cell_rows_(largest_row_tile(kernels)) {
  if (directions.empty()) return;
  directions.resize(std::min(directions.size(), kDirections * dim));
  reduction_.emplace(kernels, directions, dim);
  caps_.emplace(kernels, reduction_->width(), reduction_->excess(), cell_rows());
}

void Layout::extend(const Rows& rows, std::size_t threads, const ThreadPool::Poll& poll) {
  const std::size_t before = order_.size();
  try {
    order_.resize(rows.count);
    std::iota(order_.begin() + static_cast<std::ptrdiff_t>(before), order_.end(), static_cast<std::uint32_t>(before));
    if (!reduction_) return find_repeats(rows, before);

    // The last cell is filled up first; the rows in it must stay.
    const std::size_t cell = cell_rows();
    const std::size_t first = before / cell * cell;
    const std::size_t free = std::min((before + cell - 1) / cell * cell, rows.count);
    std::vector<float> points = points_at(rows, first, threads, poll);
    RowTree tree(points.data() + (free - first) * width(), rows.count - free, width(), cell, threads, poll);
    std::vector<float> placed(points.begin(), points.begin() + static_cast<std::ptrdiff_t>((free - first) * width()));
    placed.reserve(points.size());
    for (std::size_t i = 0; i < rows.count - free; ++i) {
      order_[free + i] = static_cast<std::uint32_t>(free + tree.order()[i]);
      const auto point = points.begin() + static_cast<std::ptrdiff_t>((free - first + tree.order()[i]) * width());
      placed.insert(placed.end(), point, point + static_cast<std::ptrdiff_t>(width()));
    }
    if (caps_) caps_->measure(placed.data(), first, rows.count);
    if (before == 0) tree_ = std::move(tree);
    find_repeats(rows, before);
  } catch (...) {
    truncate(before);
    throw;
  }
}

void Layout::find_repeats(const Rows& rows, std::size_t first) {
  repeats_.resize(rows.count);
  for (std::size_t place = std::max<std::size_t>(first, 1); place < rows.count; ++place) {
    repeats_[place] = std::memcmp(rows.values + order_[place - 1] * rows.dim, rows.values + order_[place] * rows.dim,
                                  rows.dim * sizeof(float)) == 0;
  }
}

// Returns the points of the rows at the places from `first` on.
std::vector<float> Layout::points_at(const Rows& rows, std::size_t first, std::size_t threads,
                                     const ThreadPool::Poll& poll) const {
  std::vector<float> all((rows.count - first) * width());
  const auto task = [&](std::size_t index) {
    const std::size_t begin = first + index * kRowsAtOnce;
    const std::size_t end = std::min(begin + kRowsAtOnce, rows.count);
    const GatheredRows gathered(rows, order_.data() + begin, end - begin);
    const std::vector<float> some = points(gathered.values.data(), gathered.squared_norms.data(), end - begin);
    std::copy(some.begin(), some.end(), all.begin() + static_cast<std::ptrdiff_t>((begin - first) * width()));
  };
  ThreadPool::shared().run((rows.count - first + kRowsAtOnce - 1) / kRowsAtOnce, threads, task, poll);
  return all;
}

}  // namespace latentknn
