#include "screening/uniform_screen.h"

#include <algorithm>
#include <cmath>

#include "linear/unit_scales.h"

namespace latentknn {
namespace {

constexpr double kSlack = 1.0 + 0x1p-40;  // covers the float64 roundings of the bounds themselves

double similarity_error(double dim) { return (dim + 16.0) * 0x1p-53; }

constexpr double kInt16Length = 32766.0;

}  // namespace

double UniformScreen::fp32_error(std::size_t dim) {
  const double d = static_cast<double>(dim);
  const double n = (d + 8.0) * 0x1p-24;
  return (n / (1.0 - n) + 3.0 * d * 0x1p-149) * kSlack;
}

double UniformScreen::int16_error(std::size_t dim) {
  const double d = static_cast<double>(dim);
  const double moved = std::sqrt(d) * (0.5 + 0x1p-30);
  const double longest = kInt16Length + moved;
  const double error = 2.0 * kInt16Length * moved + moved * moved + longest * longest * 0x1p-24;
  return (error / (kInt16Length * kInt16Length) + similarity_error(d)) * kSlack;
}

UniformScreen UniformScreen::fp32(const KernelTable& kernels, std::size_t dim, Packed packed) {
  return {"fp32", kernels.of(Arithmetic::fp32), dim, 1.0, fp32_error(dim), packed};
}

UniformScreen UniformScreen::int16(const KernelTable& kernels, std::size_t dim, Packed packed) {
  return {"int16", kernels.of(Arithmetic::int16), dim, kInt16Length, int16_error(dim), packed};
}

void UniformScreen::reserve_rows(std::size_t count) {
  if (!keeps_rows_) return;
  const std::size_t tiles = (count + kernel_.row_tile - 1) / kernel_.row_tile;
  packed_.resize(tiles * kernel_.row_tile * kernel_.row_bytes(dim_));
}

void UniformScreen::pack_rows(const float* rows, const double* squared_norms, std::size_t first, std::size_t count) {
  if (keeps_rows_) pack_cell(rows, squared_norms, count, packed_.data() + first * kernel_.row_bytes(dim_));
}

void UniformScreen::pack_cell(const float* rows, const double* squared_norms, std::size_t count, void* out) const {
  const std::vector<double> scales = unit_scales(squared_norms, count, length_);
  kernel_.pack_rows(rows, count, dim_, scales.data(), nullptr, out);
}

void UniformScreen::pack_queries(const float* queries, const double* squared_norms, std::size_t count, void* packed,
                                 ScoreBound* bounds) const {
  const std::vector<double> scales = unit_scales(squared_norms, count, length_);
  kernel_.pack_queries(queries, count, dim_, scales.data(), packed);
  std::fill_n(bounds, count, ScoreBound{error_, 2.0 * error_});
}

}  // namespace latentknn
