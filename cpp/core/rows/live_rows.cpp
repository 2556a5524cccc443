#include "rows/live_rows.h"

#include <algorithm>
#include <numeric>

namespace latentknn {

LiveRows::LiveRows(std::size_t count) { extend(count); }

void LiveRows::extend(std::size_t count) {
  const std::size_t block = flags_.size() / kBlock;
  flags_.resize(count, 1);
  before_.resize((count + kBlock - 1) / kBlock);
  count_from(block);
}

void LiveRows::remove(const std::int64_t* ranks, std::size_t count) {
  if (count == 0) return;
  std::vector<std::size_t> rows(count);
  std::transform(ranks, ranks + count, rows.begin(),
                 [this](std::int64_t i) { return row(static_cast<std::size_t>(i)); });
  for (const std::size_t removed : rows) flags_[removed] = 0;
  count_from(rows.front() / kBlock);
}

// Counts the live rows of the blocks from `block` on.
void LiveRows::count_from(std::size_t block) {
  const auto live = [this](std::size_t i) {
    const auto begin = flags_.begin() + static_cast<std::ptrdiff_t>(i * kBlock);
    const auto end = flags_.begin() + static_cast<std::ptrdiff_t>(std::min((i + 1) * kBlock, flags_.size()));
    return std::accumulate(begin, end, std::uint32_t{0});
  };
  std::uint32_t count = block == 0 ? 0 : before_[block - 1] + live(block - 1);
  for (; block < before_.size(); ++block) {
    before_[block] = count;
    count += live(block);
  }
  size_ = count;
}

std::size_t LiveRows::rank(std::size_t row) const {
  const auto begin = flags_.begin() + static_cast<std::ptrdiff_t>(row / kBlock * kBlock);
  const auto end = flags_.begin() + static_cast<std::ptrdiff_t>(row);
  return std::accumulate(begin, end, std::size_t{before_[row / kBlock]});
}

std::size_t LiveRows::row(std::size_t rank) const {
  const auto next = std::upper_bound(before_.begin(), before_.end(), rank);
  const std::size_t block = static_cast<std::size_t>(next - before_.begin()) - 1;
  std::size_t row = block * kBlock;
  for (std::size_t left = rank - before_[block] + 1; left > 0; ++row) left -= flags_[row];
  return row - 1;
}

}  // namespace latentknn
