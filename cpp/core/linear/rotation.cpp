#include "linear/rotation.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "linear/hartley.h"
#include "linear/unit_scales.h"
#include "platform/aligned_buffer.h"

namespace latentknn {
namespace {

constexpr std::size_t kLine = LineTask::kLine;
constexpr double kWellFactored = 3.0;  // a + b over sqrt(a b), 2 at best

struct Factors {
  std::size_t outer;
  std::size_t inner;
};

// Returns the factors of n that are nearest to each other.
Factors factors_of(std::size_t n) {
  std::size_t outer = 1;
  for (std::size_t i = 2; i * i <= n; ++i) outer = n % i == 0 ? i : outer;
  return {outer, n / outer};
}

bool well_factored(std::size_t n) {
  const Factors factors = factors_of(n);
  return static_cast<double>(factors.outer + factors.inner) <= kWellFactored * std::sqrt(static_cast<double>(n));
}

double stage_error(std::size_t size) {
  const double n = static_cast<double>(size);
  return (n + 2.0) * std::sqrt(n) * 0x1p-24;
}

std::vector<float> hartley(std::size_t n) {
  const Hartley element(n);
  std::vector<float> matrix(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) matrix[i * n + j] = static_cast<float>(element(i, j));
  }
  return matrix;
}

}  // namespace

std::size_t Rotation::width_of(std::size_t dim) {
  std::size_t width = dim;
  while (!well_factored(width)) ++width;
  return width;
}

double Rotation::error_of(std::size_t dim) {
  const Factors factors = factors_of(width_of(dim));
  // The last term allows for products below the normal numbers.
  const double products = static_cast<double>(width_of(dim) * (factors.outer + factors.inner));
  return (stage_error(factors.outer) + stage_error(factors.inner) + 2.0 * 0x1p-24) * (1.0 + 0x1p-10) +
         products * 0x1p-140;
}

Rotation::Rotation(const KernelTable& kernels, std::size_t dim)
    : kernels_(kernels),
      dim_(dim),
      inner_(factors_of(width_of(dim)).inner),
      outer_(factors_of(width_of(dim)).outer),
      width_(inner_ * outer_),
      error_(error_of(dim)),
      inner_matrix_(hartley(inner_)),
      outer_matrix_(hartley(outer_)) {
  std::mt19937 random(0);
  for (std::size_t j = 0; j < dim; ++j) signs_.push_back(random() % 2 == 0 ? 1.0 : -1.0);
}

void Rotation::rotate(const float* vectors, const double* squared_norms, std::size_t count, float* coordinates) const {
  AlignedBuffer<float> lines, turned;
  lines.resize(width_ * kLine);
  turned.resize(width_ * kLine);
  const std::vector<double> scales = unit_scales(squared_norms, count, 1.0);
  for (std::size_t first = 0; first < count; first += kLine) {
    const std::size_t some = std::min(kLine, count - first);
    std::fill_n(lines.data(), width_ * kLine, 0.0f);
    for (std::size_t i = 0; i < some; ++i) {
      const float* const vector = vectors + (first + i) * dim_;
      const double scale = scales[first + i];
      for (std::size_t j = 0; j < dim_; ++j) {
        lines[j * kLine + i] = static_cast<float>(static_cast<double>(vector[j]) * (scale * signs_[j]));
      }
    }
    kernels_.multiply_lines({inner_matrix_.data(), inner_, 1, outer_, lines.data(), turned.data()});
    kernels_.multiply_lines({outer_matrix_.data(), outer_, inner_, inner_, turned.data(), lines.data()});
    for (std::size_t i = 0; i < some; ++i) {
      float* const to = coordinates + (first + i) * width_;
      for (std::size_t j = 0; j < width_; ++j) to[j] = lines[j * kLine + i];
    }
  }
}

}  // namespace latentknn
