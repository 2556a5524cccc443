// Sorts rows that an answer lists.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <type_traits>
#include <vector>

namespace latentknn {

// Sorts `list`, which has data() and size(), by `order`, in which key(row), a float64, never falls. Cuts long lists
// into four times as many ranges of the key as there are rows. Most ranges have one row or none, so that few rows are
// out of order.
template <class List, class Key, class Order>
void sort_rows(List& list, const Key& key, const Order& order) {
  using Row = std::remove_reference_t<decltype(*list.data())>;
  constexpr std::size_t kLong = 16;
  constexpr std::uint32_t kCrowded = 16;  // rows of a range that are not sorted by insertion
  constexpr double kNarrow = 0x1p-900;    // the reciprocal of less may be infinite
  Row* const rows = list.data();
  const std::size_t count = list.size();
  if (count < kLong) {
    std::sort(rows, rows + count, order);
    return;
  }
  double lowest = key(rows[0]), highest = lowest;
  for (std::size_t i = 1; i < count; ++i) {
    lowest = std::min(lowest, key(rows[i]));
    highest = std::max(highest, key(rows[i]));
  }
  const double width = highest - lowest;
  if (width < kNarrow) {
    std::sort(rows, rows + count, order);
    return;
  }
  constexpr std::size_t kMostRanges = std::size_t{1} << 31;
  const std::size_t ranges = std::min(4 * count, kMostRanges);
  const double per_key = static_cast<double>(ranges - 1) / width;
  std::vector<std::uint32_t> ends(ranges + 1);
  const auto range_of = std::make_unique_for_overwrite<std::uint32_t[]>(count);
  std::uint32_t most = 0;
  for (std::size_t i = 0; i < count; ++i) {
    // However it is rounded, it does not fall where the key does not.
    const auto range = static_cast<std::int64_t>((key(rows[i]) - lowest) * per_key);
    range_of[i] = static_cast<std::uint32_t>(std::min(range, static_cast<std::int64_t>(ranges - 1)));
    most = std::max(most, ++ends[range_of[i] + 1]);
  }
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  const auto sorted = std::make_unique_for_overwrite<Row[]>(count);
  for (std::size_t i = 0; i < count; ++i) sorted[ends[range_of[i]]++] = rows[i];
  if (most > kCrowded) {
    std::uint32_t begin = 0;
    for (std::size_t i = 0; i < ranges; begin = ends[i++]) {
      if (ends[i] - begin > kCrowded) std::sort(sorted.get() + begin, sorted.get() + ends[i], order);
    }
  }
  // Insertion ends within a range.
  rows[0] = sorted[0];
  for (std::size_t i = 1; i < count; ++i) {
    std::size_t at = i;
    for (; at > 0 && order(sorted[i], rows[at - 1]); --at) rows[at] = rows[at - 1];
    rows[at] = sorted[i];
  }
}

}  // namespace latentknn
