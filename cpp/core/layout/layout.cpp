#include "layout/layout.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

namespace latentknn {

namespace {

constexpr std::size_t kPlacesPerTask = 4096;

// The largest row_tile is a multiple of all others.
std::size_t largest_row_tile(const KernelTable& kernels) {
  std::size_t largest = 0;
  for (const ScreenKernel& kernel : kernels.screens) largest = std::max(largest, kernel.row_tile);
  return largest;
}

}  // namespace

Layout::Layout(const KernelTable& kernels, std::vector<float> directions, const Rows& rows, std::size_t threads,
               const ThreadPool::Poll& poll)
    : cell_rows_(largest_row_tile(kernels)), order_(rows.count) {
  std::iota(order_.begin(), order_.end(), std::uint32_t{0});
  if (!directions.empty()) {
    directions.resize(std::min(directions.size(), kDirections * rows.dim));
    reduction_.emplace(kernels, directions, rows.dim);
    const std::vector<float> points = points_of(rows, threads, poll);
    tree_.emplace(points.data(), rows.count, width(), cell_rows(), threads, poll);
    order_ = tree_->order();
    std::vector<float> placed(points.size());
    const auto task = [&](std::size_t index) {
      const std::size_t end = std::min((index + 1) * kPlacesPerTask, rows.count);
      for (std::size_t place = index * kPlacesPerTask; place < end; ++place) {
        std::copy_n(points.data() + order_[place] * width(), width(), placed.data() + place * width());
      }
    };
    ThreadPool::shared().run((rows.count + kPlacesPerTask - 1) / kPlacesPerTask, threads, task, poll);
    caps_.emplace(kernels, reduction_->width(), reduction_->excess(), cell_rows());
    caps_->measure(placed.data(), rows.count);
  }
  find_repeats(rows, threads, poll);
}

void Layout::find_repeats(const Rows& rows, std::size_t threads, const ThreadPool::Poll& poll) {
  repeats_.resize(rows.count);
  // A task begins where a word of `repeats_` begins, so that no two write to the same word.
  const auto task = [&](std::size_t index) {
    const std::size_t end = std::min((index + 1) * kPlacesPerTask, rows.count);
    for (std::size_t place = std::max<std::size_t>(index * kPlacesPerTask, 1); place < end; ++place) {
      const float* const row = rows.values + order_[place] * rows.dim;
      repeats_[place] = std::memcmp(rows.values + order_[place - 1] * rows.dim, row, rows.dim * sizeof(float)) == 0;
    }
  };
  ThreadPool::shared().run((rows.count + kPlacesPerTask - 1) / kPlacesPerTask, threads, task, poll);
}

// Returns the points of all rows.
std::vector<float> Layout::points_of(const Rows& rows, std::size_t threads, const ThreadPool::Poll& poll) const {
  std::vector<float> all(rows.count * width());
  const auto task = [&](std::size_t index) {
    const std::size_t begin = index * kRowsAtOnce, count = std::min(kRowsAtOnce, rows.count - begin);
    const std::vector<float> some = points(rows.values + begin * rows.dim, rows.squared_norms + begin, count);
    std::copy(some.begin(), some.end(), all.begin() + static_cast<std::ptrdiff_t>(begin * width()));
  };
  ThreadPool::shared().run((rows.count + kRowsAtOnce - 1) / kRowsAtOnce, threads, task, poll);
  return all;
}

}  // namespace latentknn
