#include "linear/subspace.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "linear/matrix_product.h"
#include "linear/unit_scales.h"
#include "platform/thread_pool.h"

namespace latentknn {
namespace {

constexpr int kIterations = 3;
constexpr std::size_t kTogether = 16;  // rows that are transposed at once: a cache line
constexpr double kIndependent = 1e-6;  // a direction with less than this share of its length left is dropped

// Computes the second moments (dim, dim) of the normalised rows.
std::vector<float> second_moments(const KernelTable& kernels, const Rows& rows, std::size_t threads) {
  const std::size_t count = rows.count, dim = rows.dim;
  const std::vector<double> scales = unit_scales(rows.squared_norms, count, 1.0);
  std::vector<float> columns(dim * count);
  for (std::size_t first = 0; first < count; first += kTogether) {
    ThreadPool::check_interrupt();
    for (std::size_t j = 0; j < dim; ++j) {
      for (std::size_t i = first; i < std::min(first + kTogether, count); ++i) {
        columns[j * count + i] = static_cast<float>(static_cast<double>(rows.values[i * dim + j]) * scales[i]);
      }
    }
  }
  const PackedVectors left(kernels, PackedVectors::Side::queries, columns.data(), dim, count, nullptr);
  const PackedVectors right(kernels, PackedVectors::Side::rows, columns.data(), dim, count, nullptr);
  std::vector<float> padded;
  multiply(kernels, left, right, count, padded, threads);
  std::vector<float> moments(dim * dim);
  for (std::size_t i = 0; i < dim; ++i) {
    ThreadPool::check_interrupt();
    std::copy_n(padded.data() + i * right.padded_count(), dim, moments.data() + i * dim);
  }
  return moments;
}

// Makes directions orthonormal by Gram-Schmidt, and drops dependent ones. Each pass removes what the rounding of the
// pass before has left; products in float64 leave hardly anything.
std::vector<float> orthonormal(const KernelTable& kernels, const std::vector<float>& directions, std::size_t dim,
                               int passes) {
  std::vector<std::uint32_t> all(directions.size() / dim);
  std::iota(all.begin(), all.end(), std::uint32_t{0});
  std::vector<float> kept, v(dim);
  std::vector<double> wide((dim + 7) / 8 * 8, 0.0), products(all.size());
  const auto length = [&] {
    double squares = 0.0;
    kernels.squared_norms(v.data(), 1, dim, &squares);
    return std::sqrt(squares);
  };
  for (std::size_t first = 0; first < directions.size(); first += dim) {
    ThreadPool::check_interrupt();
    std::copy_n(directions.begin() + static_cast<std::ptrdiff_t>(first), dim, v.begin());
    const double before = length();
    const std::size_t count = kept.size() / dim;
    for (int pass = 0; pass < passes; ++pass) {
      std::copy(v.begin(), v.end(), wide.begin());
      kernels.dot_products(wide.data(), kept.data(), all.data(), count, dim, products.data());
      for (std::size_t i = 0; i < count; ++i) {
        const auto product = static_cast<float>(products[i]);
        const float* other = kept.data() + i * dim;
        for (std::size_t j = 0; j < dim; ++j) v[j] -= product * other[j];
      }
    }
    const double after = length();
    if (!(after > before * kIndependent)) continue;
    for (const float x : v) kept.push_back(static_cast<float>(static_cast<double>(x) / after));
  }
  return kept;
}

}  // namespace

std::vector<float> principal_directions(const KernelTable& kernels, const Rows& rows, std::size_t count,
                                        std::size_t threads) {
  const std::size_t dim = rows.dim;
  const std::vector<float> moments = second_moments(kernels, rows, threads);
  const PackedVectors right(kernels, PackedVectors::Side::rows, moments.data(), dim, dim, nullptr);  // symmetric

  std::mt19937 random(20260101);
  std::vector<float> directions(count * dim);
  for (float& x : directions) x = static_cast<float>(random()) * 0x1p-31f - 1.0f;
  std::vector<float> product;
  for (int i = 0; i < kIterations; ++i) {
    const PackedVectors left(kernels, PackedVectors::Side::queries, directions.data(), directions.size() / dim, dim,
                             nullptr);
    multiply(kernels, left, right, dim, product, threads);
    for (std::size_t d = 0; d < directions.size() / dim; ++d) {
      std::copy_n(product.data() + d * right.padded_count(), dim, directions.data() + d * dim);
    }
    directions = orthonormal(kernels, directions, dim, 2);
  }
  return directions;
}

double orthogonality_error(const KernelTable& kernels, const std::vector<float>& directions, std::size_t dim,
                           const std::vector<double>& left_out) {
  const std::size_t count = directions.size() / dim;
  std::vector<std::uint32_t> all(count);
  for (std::uint32_t i = 0; i < count; ++i) all[i] = i;
  std::vector<double> left((dim + 7) / 8 * 8, 0.0), products(count);
  double squares = 0.0;
  for (std::size_t i = 0; i < count; ++i) {
    ThreadPool::check_interrupt();
    std::copy_n(directions.data() + i * dim, dim, left.data());
    kernels.dot_products(left.data(), directions.data(), all.data(), count, dim, products.data());
    products[i] -= 1.0;
    for (std::size_t j = 0; j < left_out.size(); ++j) products[j] += left_out[i] * left_out[j];
    for (const double x : products) squares += x * x;
  }
  // The Frobenius norm bounds the spectral norm; the products are off by at most (dim + 3) 2^-53 each.
  return std::sqrt(squares) * (1.0 + 0x1p-40) + static_cast<double>(count * (dim + 3)) * 0x1p-53;
}

}  // namespace latentknn
