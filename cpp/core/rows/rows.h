// Rows of a part of a database, in its own memory or copied side by side.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "rows/live_rows.h"

namespace latentknn {

// Rows that are copied, projected and packed at once. Their copies stay in a cache.
// The number is a multiple of every kernel's tiles.
inline constexpr std::size_t kRowsAtOnce = 192;

struct Rows {
  const float* values;
  const double* squared_norms;
  const std::int64_t* ids;  // ids less first_id, in any order; null where they are 0, 1 and so on
  std::size_t count;
  std::size_t dim;
  std::int64_t first_id = 0;       // what is added to every one of `ids`
  std::size_t first_position = 0;  // position of the first row that was not removed
  const LiveRows* live = nullptr;  // null where no row was removed

  std::size_t live_count() const { return live == nullptr ? count : live->size(); }
  std::int64_t id(std::size_t row) const {
    return first_id + (ids == nullptr ? static_cast<std::int64_t>(row) : ids[row]);
  }
  // The position of a row that was not removed.
  std::int64_t position(std::size_t row) const {
    return static_cast<std::int64_t>(first_position + (live == nullptr ? row : live->rank(row)));
  }
};

// Copies of rows, side by side.
struct GatheredRows {
  std::vector<float> values;
  std::vector<double> squared_norms;
  std::size_t dim;

  GatheredRows(const Rows& rows, const std::uint32_t* which, std::size_t count)
      : values(count * rows.dim), squared_norms(count), dim(rows.dim) {
    for (std::size_t i = 0; i < count; ++i) {
      std::copy_n(rows.values + which[i] * dim, dim, values.data() + i * dim);
      squared_norms[i] = rows.squared_norms[which[i]];
    }
  }

  Rows view() const { return {values.data(), squared_norms.data(), nullptr, squared_norms.size(), dim}; }
};

// Copies `most` rows, or all if they are fewer, at equal distances, so that sorted rows are sampled evenly.
inline GatheredRows sample_rows(const Rows& rows, std::size_t most) {
  std::vector<std::uint32_t> which(std::min(rows.count, most));
  for (std::size_t i = 0; i < which.size(); ++i) {
    which[i] = static_cast<std::uint32_t>(i * rows.count / which.size());
  }
  return {rows, which.data(), which.size()};
}

}  // namespace latentknn
