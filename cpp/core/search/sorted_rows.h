// Sorts rows that an answer lists.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

namespace latentknn {

// Sorts rows by `order`, in which key(row), a float64, never falls. Cuts long lists into as many ranges of the key as
// there are rows, of which most have few, and sorts those.
template <class Row, class Key, class Order>
void sort_rows(std::vector<Row>& rows, const Key& key, const Order& order) {
  constexpr std::size_t kLong = 128;
  constexpr double kNarrow = 0x1p-900;  // the reciprocal of less may be infinite
  if (rows.size() < kLong) {
    std::sort(rows.begin(), rows.end(), order);
    return;
  }
  const auto lower = [&](const Row& a, const Row& b) { return key(a) < key(b); };
  const auto [first, final] = std::minmax_element(rows.begin(), rows.end(), lower);
  const double lowest = key(*first), width = key(*final) - lowest;
  if (width < kNarrow) {
    std::sort(rows.begin(), rows.end(), order);
    return;
  }
  const std::size_t last = rows.size() - 1;
  const double per_key = static_cast<double>(last) / width;
  // However it is rounded, it does not fall where the key does not.
  const auto range = [&](const Row& row) {
    return std::min(last, static_cast<std::size_t>((key(row) - lowest) * per_key));
  };
  std::vector<std::ptrdiff_t> ends(rows.size() + 1);
  for (const Row& row : rows) ++ends[range(row) + 1];
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  std::vector<Row> sorted(rows.size());
  for (const Row& row : rows) sorted[static_cast<std::size_t>(ends[range(row)]++)] = row;
  std::ptrdiff_t begin = 0;
  for (std::size_t i = 0; i <= last; begin = ends[i++]) {
    if (ends[i] - begin > 1) std::sort(sorted.begin() + begin, sorted.begin() + ends[i], order);
  }
  std::copy(sorted.begin(), sorted.end(), rows.begin());
}

}  // namespace latentknn
