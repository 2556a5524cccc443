#include "layout/reduction.h"

#include <cmath>

namespace latentknn {
namespace {

constexpr double kSlack = 1.0 + 0x1p-40;

double total_excess(std::size_t dim, const Projection& projection) {
  const double b = projection.error();
  const double w = projection.orthogonality_error();
  const double e = 2.0 * b * (1.0 + w) + b * b + w * (1.0 + w) + 0x1p-40;
  const double m = e + 2.0 * w + w * w;
  return (m + e + (static_cast<double>(dim) + 16.0) * 0x1p-53) * kSlack;
}

}  // namespace

Reduction::Reduction(const KernelTable& kernels, const std::vector<float>& directions, std::size_t dim)
    : projection_(kernels, directions, dim, {}), excess_(total_excess(dim, projection_)) {}

std::vector<float> Reduction::reduce(const float* vectors, const double* squared_norms, std::size_t count) const {
  const Projection::Result projected = projection_.project(vectors, squared_norms, count);
  const std::size_t inside = projection_.count();
  std::vector<float> reduced(count * width());
  for (std::size_t i = 0; i < count; ++i) {
    if (squared_norms[i] == 0.0) continue;
    const float* b = projected.coordinates.data() + i * projected.stride;
    double squares = projected.outside[i] * projected.outside[i];
    for (std::size_t j = 0; j < inside; ++j) squares += static_cast<double>(b[j]) * static_cast<double>(b[j]);
    const double scale = 1.0 / std::sqrt(squares);
    float* to = reduced.data() + i * width();
    for (std::size_t j = 0; j < inside; ++j) to[j] = static_cast<float>(static_cast<double>(b[j]) * scale);
    to[inside] = static_cast<float>(projected.outside[i] * scale);
  }
  return reduced;
}

}  // namespace latentknn
