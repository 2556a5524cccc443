// Rule 1 of the contract as plain loops.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace reference {

inline double reference_product(const float* a, const float* b, std::size_t dim) {
  double p[8] = {};
  for (std::size_t j = 0; j < dim; ++j) p[j % 8] += static_cast<double>(a[j]) * static_cast<double>(b[j]);
  for (std::size_t w = 4; w > 0; w /= 2) {
    for (std::size_t l = 0; l < w; ++l) p[l] += p[l + w];
  }
  return p[0];
}

inline double reference_similarity(const float* q, const float* x, std::size_t dim) {
  const double qq = reference_product(q, q, dim);
  const double xx = reference_product(x, x, dim);
  if (qq == 0.0 || xx == 0.0) return 0.0;
  return std::max(-1.0, std::min(1.0, reference_product(q, x, dim) / std::sqrt(qq * xx)));
}

}  // namespace reference
