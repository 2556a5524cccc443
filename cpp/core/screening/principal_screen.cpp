#include "principal_screen.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "subspace.h"
#include "unit_scales.h"

namespace latentknn {
namespace {

constexpr double kLength = 32600.0;  // L: leaves room for a tail that is rounded up
constexpr double kSlack = 1.0 + 0x1p-40;
constexpr std::size_t kVectorsAtOnce = 192;  // a multiple of every tile; keeps the float32 copies in the cache

double projection_error(std::size_t dim, double count, double orthogonality_error) {
  const std::size_t slices = (dim + PackedVectors::kSlice - 1) / PackedVectors::kSlice;
  // Two units more than the product's own for the normalised vector's rounding to float32.
  const double units = static_cast<double>(PackedVectors::kSlice + slices + 4) * 0x1p-24 * (1.0 + 0x1p-10);
  return (units * std::sqrt(count) * (1.0 + orthogonality_error) + static_cast<double>(dim) * 0x1p-140) * kSlack;
}

double total_error(std::size_t dim, double count, double orthogonality_error, double projection) {
  const double w = orthogonality_error;
  const double rounding = std::sqrt(count) * (0.5 + 0x1p-30);
  const double longest = kLength * (1.0 + 2.0 * projection + 2.0 * w) + rounding + 1.0;
  const double similarity = 2.0 * projection * (1.0 + w) + projection * projection + w * (1.0 + w) +
                            (static_cast<double>(dim) + 16.0) * 0x1p-53;
  return (kLength * kLength * similarity + 2.0 * kLength * rounding * (1.0 + projection + w) + rounding * rounding +
          longest * longest * 0x1p-24) *
         kSlack;
}

}  // namespace

PrincipalScreen::PrincipalScreen(const KernelTable& kernels, std::vector<float> directions, std::size_t dim)
    : kernels_(kernels),
      dim_(dim),
      count_(directions.size() / dim),
      orthogonality_error_(orthogonality_error(kernels, directions, dim)),
      projection_error_(projection_error(dim, static_cast<double>(count_), orthogonality_error_)),
      error_(total_error(dim, static_cast<double>(count_), orthogonality_error_, projection_error_)),
      directions_(kernels.fp32, kernels.fp32.row_tile, directions.data(), count_, dim, nullptr) {}

double PrincipalScreen::score_scale() const { return kLength * kLength; }

void PrincipalScreen::reserve_rows(std::size_t count) {
  const std::size_t tile = kernel().row_tile;
  packed_.resize((count + tile - 1) / tile * tile * kernel().packed_bytes(packed_dim()));
}

std::vector<float> PrincipalScreen::project(const float* vectors, const double* squared_norms,
                                            std::size_t count) const {
  const ScreenKernel& fp32 = kernels_.fp32;
  const std::vector<double> scales = unit_scales(squared_norms, count, 1.0);
  const PackedVectors packed(fp32, fp32.query_tile, vectors, count, dim_, scales.data());
  std::vector<float> products;
  multiply(fp32, packed, directions_, dim_, products);
  std::vector<float> projected(count * packed_dim());
  const double excess = 2.0 * projection_error_ * (1.0 + orthogonality_error_) + projection_error_ * projection_error_ +
                        orthogonality_error_ * (1.0 + orthogonality_error_) + 0x1p-40;
  for (std::size_t i = 0; i < count; ++i) {
    const float* from = products.data() + i * directions_.padded_count();
    float* to = projected.data() + i * packed_dim();
    double inside = 0.0;
    for (std::size_t j = 0; j < count_; ++j) {
      to[j] = from[j];
      inside += static_cast<double>(from[j]) * static_cast<double>(from[j]);
    }
    const double outside = scales[i] == 0.0 ? 0.0 : std::sqrt(std::max(0.0, 1.0 - inside + excess));
    // Rounded up to a whole multiple of 1 / L, which float32 represents closely enough to round back to it.
    to[count_] = static_cast<float>(std::ceil(outside * kLength) / kLength);
  }
  return projected;
}

void PrincipalScreen::pack(const float* vectors, const double* squared_norms, std::size_t count, std::size_t tile,
                           char* out) const {
  const std::size_t bytes = kernel().packed_bytes(packed_dim());
  for (std::size_t first = 0; first < count; first += kVectorsAtOnce) {
    const std::size_t part = std::min(kVectorsAtOnce, count - first);
    const std::vector<float> projected = project(vectors + first * dim_, squared_norms + first, part);
    const std::vector<double> scales(part, kLength);
    kernel().pack(projected.data(), part, packed_dim(), scales.data(), tile, out + first * bytes);
  }
}

void PrincipalScreen::pack_rows(const float* rows, const double* squared_norms, std::size_t first, std::size_t last) {
  pack(rows + first * dim_, squared_norms + first, last - first, kernel().row_tile,
       packed_.data() + first * kernel().packed_bytes(packed_dim()));
}

void PrincipalScreen::pack_queries(const float* queries, const double* squared_norms, std::size_t count, void* packed,
                                   double* errors) const {
  pack(queries, squared_norms, count, kernel().query_tile, static_cast<char*>(packed));
  std::fill_n(errors, count, error_);
}

}  // namespace latentknn
