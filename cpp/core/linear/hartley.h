// Hartley's orthonormal matrix of n lines. It is symmetric, and has (cos + sin) (2 pi i j / n) / sqrt(n) at (i, j).
#pragma once

#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

namespace latentknn {

class Hartley {
 public:
  explicit Hartley(std::size_t n) : by_angle_(n) {
    for (std::size_t i = 0; i < n; ++i) {
      const double angle = 2.0 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(n);
      by_angle_[i] = (std::cos(angle) + std::sin(angle)) / std::sqrt(static_cast<double>(n));
    }
  }

  double operator()(std::size_t i, std::size_t j) const { return by_angle_[i * j % by_angle_.size()]; }

 private:
  std::vector<double> by_angle_;
};

}  // namespace latentknn
