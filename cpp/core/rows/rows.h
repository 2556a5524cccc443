// Rows of a database, in its own memory or copied side by side.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace latentknn {

// Rows that are copied, projected and packed at once. Their copies stay in a cache.
// The number is a multiple of every kernel's tiles.
inline constexpr std::size_t kRowsAtOnce = 192;

struct Rows {
  const float* values;
  const double* squared_norms;
  const std::int64_t* ids;  // null where a row's position is its id
  std::size_t count;
  std::size_t dim;
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
