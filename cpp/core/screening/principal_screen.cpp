#include "screening/principal_screen.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "linear/unit_scales.h"
#include "rows/rows.h"

namespace latentknn {
namespace {

constexpr double kLength = 32600.0;  // L, which leaves room for a tail that is rounded up
constexpr double kSlack = 1.0 + 0x1p-40;

double total_error(std::size_t dim, const Projection& projected) {
  const double count = static_cast<double>(projected.count());
  const double projection = projected.error();
  const double w = projected.orthogonality_error();
  const double rounding = std::sqrt(count) * (0.5 + 0x1p-30);
  const double longest = kLength * (1.0 + 2.0 * projection + 2.0 * w) + rounding + 1.0;
  const double similarity = 2.0 * projection * (1.0 + w) + projection * projection + w * (1.0 + w) +
                            (static_cast<double>(dim) + 16.0) * 0x1p-53;
  return (kLength * kLength * similarity + 2.0 * kLength * rounding * (1.0 + projection + w) + rounding * rounding +
          longest * longest * 0x1p-24) *
         kSlack;
}

}  // namespace

PrincipalScreen::PrincipalScreen(const KernelTable& kernels, const std::vector<float>& directions, std::size_t dim)
    : kernels_(kernels),
      dim_(dim),
      count_(directions.size() / dim),
      projection_(kernels, directions, dim, {}),
      error_(total_error(dim, projection_)) {}

double PrincipalScreen::score_scale() const { return kLength * kLength; }

void PrincipalScreen::reserve_rows(std::size_t count) {
  const std::size_t tile = kernel().row_tile;
  packed_.resize((count + tile - 1) / tile * tile * kernel().row_bytes(packed_dim()));
}

std::vector<float> PrincipalScreen::project(const float* vectors, const double* squared_norms,
                                            std::size_t count) const {
  const Projection::Result result = projection_.project(vectors, squared_norms, count);
  std::vector<float> projected(count * packed_dim());
  for (std::size_t i = 0; i < count; ++i) {
    float* to = projected.data() + i * packed_dim();
    std::copy_n(result.coordinates.data() + i * result.stride, count_, to);
    // The length outside is rounded up to a multiple of 1 / L. Float32 is close enough to it to round back to it.
    to[count_] = static_cast<float>(std::ceil(result.outside[i] * kLength) / kLength);
  }
  return projected;
}

template <class Pack>
void PrincipalScreen::in_parts(const float* vectors, const double* squared_norms, std::size_t count,
                               const Pack& pack) const {
  const std::vector<double> scales(kRowsAtOnce, kLength);
  for (std::size_t first = 0; first < count; first += kRowsAtOnce) {
    const std::size_t part = std::min(kRowsAtOnce, count - first);
    const std::vector<float> projected = project(vectors + first * dim_, squared_norms + first, part);
    pack(projected.data(), part, scales.data(), first);
  }
}

void PrincipalScreen::pack_rows(const float* rows, const double* squared_norms, std::size_t first, std::size_t count) {
  in_parts(rows, squared_norms, count,
           [&](const float* projected, std::size_t part, const double* scales, std::size_t at) {
             kernel().pack_rows(projected, part, packed_dim(), scales, nullptr,
                                packed_.data() + (first + at) * kernel().row_bytes(packed_dim()));
           });
}

void PrincipalScreen::pack_queries(const float* queries, const double* squared_norms, std::size_t count, void* packed,
                                   ScoreBound* bounds) const {
  in_parts(queries, squared_norms, count,
           [&](const float* projected, std::size_t part, const double* scales, std::size_t at) {
             kernel().pack_queries(projected, part, packed_dim(), scales,
                                   static_cast<char*>(packed) + at * kernel().query_bytes(packed_dim()));
           });
  std::fill_n(bounds, count, ScoreBound{error_, std::numeric_limits<double>::infinity()});
}

}  // namespace latentknn
