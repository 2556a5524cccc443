// Some rows of a database: every so many, so that a sorted one is sampled evenly.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "../search_request.h"

namespace latentknn {

struct Sample {
  std::vector<float> values;
  std::vector<double> squared_norms;
  std::size_t count;

  Sample(const Rows& rows, std::size_t most) : count(std::min(rows.count, most)) {
    values.resize(count * rows.dim);
    squared_norms.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t row = i * rows.count / count;
      std::copy_n(rows.values + row * rows.dim, rows.dim, values.data() + i * rows.dim);
      squared_norms[i] = rows.squared_norms[row];
    }
  }
};

}  // namespace latentknn
