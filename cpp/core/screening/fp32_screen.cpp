#include "fp32_screen.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace latentknn {
namespace {

double error_bound(std::size_t dim) {
  const double n = static_cast<double>(dim + 8) * 0x1p-24;
  return n / (1.0 - n) * (1.0 + 0x1p-40) + 3.0 * static_cast<double>(dim) * 0x1p-149;
}

std::vector<double> inverse_norms(const double* squared_norms, std::size_t count) {
  std::vector<double> inverses(count);
  for (std::size_t i = 0; i < count; ++i) {
    inverses[i] = squared_norms[i] == 0.0 ? 0.0 : 1.0 / std::sqrt(squared_norms[i]);
  }
  return inverses;
}

}  // namespace

Fp32Screen::Fp32Screen(const ScreenKernel& kernel, std::size_t dim)
    : kernel_(kernel), dim_(dim), error_(error_bound(dim)) {}

void Fp32Screen::reserve_rows(std::size_t count) {
  const std::size_t tiles = (count + kernel_.row_tile - 1) / kernel_.row_tile;
  packed_.resize(tiles * kernel_.row_tile * dim_);
}

void Fp32Screen::pack_rows(const float* rows, const double* squared_norms, std::size_t first, std::size_t last) {
  const std::vector<double> scales = inverse_norms(squared_norms + first, last - first);
  kernel_.pack(rows + first * dim_, last - first, dim_, scales.data(), kernel_.row_tile,
               packed_.data() + first * dim_);
}

void Fp32Screen::pack_queries(const float* queries, const double* squared_norms, std::size_t count, void* packed,
                              double* errors) const {
  const std::vector<double> scales = inverse_norms(squared_norms, count);
  kernel_.pack(queries, count, dim_, scales.data(), kernel_.query_tile, packed);
  std::fill_n(errors, count, error_);
}

}  // namespace latentknn
