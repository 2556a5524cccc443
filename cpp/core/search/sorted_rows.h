// Sorts rows that an answer lists.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <vector>

namespace latentknn {

template <class Row, class Order>
void sort_run(Row* rows, std::size_t count, const Order& order) {
  std::sort(rows, rows + count, order);
}

// Cuts long runs into four times as many ranges of the key as there are rows. Most ranges have one row or none, so that
// few rows are out of order. Rows whose keys are all equal are sorted by the next key.
template <class Row, class Order, class Key, class... Keys>
void sort_run(Row* rows, std::size_t count, const Order& order, const Key& key, const Keys&... keys) {
  constexpr std::size_t kLong = 16;
  constexpr std::uint32_t kCrowded = 16;  // rows of a range that are not sorted by insertion
  constexpr double kNarrow = 0x1p-900;    // the reciprocal of less may be infinite
  if (count < kLong) return sort_run(rows, count, order);
  double lowest = key(rows[0]), highest = lowest;
  for (std::size_t i = 1; i < count; ++i) {
    lowest = std::min(lowest, key(rows[i]));
    highest = std::max(highest, key(rows[i]));
  }
  const double width = highest - lowest;
  if (width == 0.0) return sort_run(rows, count, order, keys...);
  if (width < kNarrow) return sort_run(rows, count, order);
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
      const std::uint32_t size = ends[i] - begin;
      if (size <= kCrowded) continue;
      Row* const run = sorted.get() + begin;
      const bool equal = std::all_of(run, run + size, [&](const Row& row) { return key(row) == key(run[0]); });
      if (equal) {
        sort_run(run, size, order, keys...);
      } else {
        sort_run(run, size, order);
      }
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

// Sorts `list`, which has data() and size(), by `order`. Keys are float64. In this order the first key of a row never
// falls, and among rows whose first keys are equal the second never does.
template <class List, class Order, class... Keys>
void sort_rows(List& list, const Order& order, const Keys&... keys) {
  sort_run(list.data(), list.size(), order, keys...);
}

}  // namespace latentknn
