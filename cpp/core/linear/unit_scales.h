// Scales that bring vectors to a common length before they are packed.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace latentknn {

// Returns length / |v| for each vector; 0 for a zero vector.
inline std::vector<double> unit_scales(const double* squared_norms, std::size_t count, double length) {
  std::vector<double> scales(count);
  for (std::size_t i = 0; i < count; ++i) {
    scales[i] = squared_norms[i] == 0.0 ? 0.0 : length / std::sqrt(squared_norms[i]);
  }
  return scales;
}

}  // namespace latentknn
