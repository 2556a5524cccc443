// Copies of rows that stand apart, side by side.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../search_request.h"

namespace latentknn {

struct GatheredRows {
  std::vector<float> values;
  std::vector<double> squared_norms;

  GatheredRows(const Rows& rows, const std::uint32_t* which, std::size_t count)
      : values(count * rows.dim), squared_norms(count) {
    for (std::size_t i = 0; i < count; ++i) {
      std::copy_n(rows.values + which[i] * rows.dim, rows.dim, values.data() + i * rows.dim);
      squared_norms[i] = rows.squared_norms[which[i]];
    }
  }
};

}  // namespace latentknn
