#include "uniform_screen.h"

#include <algorithm>
#include <cmath>

#include "unit_scales.h"

namespace latentknn {
namespace {

constexpr double kSlack = 1.0 + 0x1p-40;  // for the float64 roundings of the bounds themselves

double similarity_error(double dim) { return (dim + 16.0) * 0x1p-53; }

double fp32_error(double dim) {
  const double n = (dim + 8.0) * 0x1p-24;
  return (n / (1.0 - n) + 3.0 * dim * 0x1p-149) * kSlack;
}

constexpr double kInt16Length = 32766.0;

double int16_error(double dim) {
  const double moved = std::sqrt(dim) * (0.5 + 0x1p-30);
  const double longest = kInt16Length + moved;
  return (2.0 * kInt16Length * moved + moved * moved + longest * longest * 0x1p-24 +
          kInt16Length * kInt16Length * similarity_error(dim)) *
         kSlack;
}

}  // namespace

UniformScreen UniformScreen::fp32(const KernelTable& kernels, std::size_t dim) {
  return {"fp32", kernels.fp32, dim, 1.0, fp32_error(static_cast<double>(dim))};
}

UniformScreen UniformScreen::int16(const KernelTable& kernels, std::size_t dim) {
  return {"int16", kernels.int16, dim, kInt16Length, int16_error(static_cast<double>(dim))};
}

void UniformScreen::reserve_rows(std::size_t count) {
  const std::size_t tiles = (count + kernel_.row_tile - 1) / kernel_.row_tile;
  packed_.resize(tiles * kernel_.row_tile * kernel_.row_bytes(dim_));
}

void UniformScreen::pack_rows(const float* rows, const double* squared_norms, std::size_t first, std::size_t last) {
  const std::vector<double> scales = unit_scales(squared_norms + first, last - first, length_);
  kernel_.pack_rows(rows + first * dim_, last - first, dim_, scales.data(), nullptr,
                    packed_.data() + first * kernel_.row_bytes(dim_));
}

void UniformScreen::pack_queries(const float* queries, const double* squared_norms, std::size_t count, void* packed,
                                 double* errors) const {
  const std::vector<double> scales = unit_scales(squared_norms, count, length_);
  kernel_.pack_queries(queries, count, dim_, scales.data(), packed);
  std::fill_n(errors, count, error_);
}

}  // namespace latentknn
