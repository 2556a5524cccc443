#include "linear/projection.h"

#include <algorithm>
#include <cmath>

#include "linear/subspace.h"
#include "linear/unit_scales.h"

namespace latentknn {
namespace {

constexpr double kSlack = 1.0 + 0x1p-40;

// It follows from the error of multiply() in matrix_product.h; the absolute directions have a norm of at most
// sqrt(count) (1 + w).
double projection_error(std::size_t dim, double count, double orthogonality_error) {
  const std::size_t length = PackedVectors::slice_length(dim);
  const std::size_t slices = (dim + length - 1) / length;
  // The product's own units, and two more for the rounding of the normalised vector to float32.
  const double units = static_cast<double>(length + slices + 4) * 0x1p-24 * (1.0 + 0x1p-10);
  return (units * std::sqrt(count) * (1.0 + orthogonality_error) + static_cast<double>(dim) * 0x1p-140) * kSlack;
}

}  // namespace

double Projection::error_of(std::size_t dim, std::size_t count) {
  return projection_error(dim, static_cast<double>(count), 0.0);
}

Projection::Projection(const KernelTable& kernels, const std::vector<float>& directions, std::size_t dim,
                       const std::vector<double>& left_out)
    : kernels_(kernels),
      dim_(dim),
      count_(directions.size() / dim),
      orthogonality_error_(latentknn::orthogonality_error(kernels, directions, dim, left_out)),
      error_(projection_error(dim, static_cast<double>(count_), orthogonality_error_)),
      directions_(kernels, PackedVectors::Side::rows, directions.data(), count_, dim, nullptr) {}

Projection::Result Projection::project(const float* vectors, const double* squared_norms,
                                       std::size_t vector_count) const {
  const std::vector<double> scales = unit_scales(squared_norms, vector_count, 1.0);
  const PackedVectors packed(kernels_, PackedVectors::Side::queries, vectors, vector_count, dim_, scales.data());
  Result result{directions_.padded_count(), {}, std::vector<double>(vector_count)};
  multiply(kernels_, packed, directions_, dim_, result.coordinates);
  const double excess = 2.0 * error_ * (1.0 + orthogonality_error_) + error_ * error_ +
                        orthogonality_error_ * (1.0 + orthogonality_error_) + 0x1p-40;
  for (std::size_t i = 0; i < vector_count; ++i) {
    const float* coordinates = result.coordinates.data() + i * result.stride;
    double inside = 0.0;
    for (std::size_t j = 0; j < count_; ++j) {
      inside += static_cast<double>(coordinates[j]) * static_cast<double>(coordinates[j]);
    }
    result.outside[i] = scales[i] == 0.0 ? 0.0 : std::sqrt(std::max(0.0, 1.0 - inside + excess));
  }
  return result;
}

}  // namespace latentknn
