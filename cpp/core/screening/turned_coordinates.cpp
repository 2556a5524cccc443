#include "screening/turned_coordinates.h"

#include <algorithm>
#include <cmath>

#include "linear/hartley.h"
#include "platform/thread_pool.h"

namespace latentknn {
namespace {

constexpr double kSlack = 1.0 + 0x1p-40;

}  // namespace

TurnedCoordinates::TurnedCoordinates(const KernelTable& kernels, const std::vector<float>& directions, std::size_t dim)
    : dim_(dim), width_(directions.empty() ? Rotation::width_of(dim) : directions.size() / dim + 1) {
  if (directions.empty()) {
    rotation_.emplace(kernels, dim);
  } else {
    turn_subspace(kernels, directions);
  }
  const double w = rotation_ ? 0.0 : projection_->orthogonality_error();
  const double moved = rotation_ ? rotation_->error() : projection_->error();
  slack_ = (w + 2.0 * moved * (1.0 + w) + moved * moved + 2.2 * (leak_ + moved) +
            (static_cast<double>(dim) + 16.0) * 0x1p-53 + 0x1p-40) *
           kSlack;
}

// Makes D and l.
void TurnedCoordinates::turn_subspace(const KernelTable& kernels, const std::vector<float>& directions) {
  const std::size_t n = width_, inside = n - 1;
  const Hartley element(n);
  std::vector<float> turned(n * dim_);
  std::vector<double> line(dim_), across(dim_, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    ThreadPool::check_interrupt();
    std::fill(line.begin(), line.end(), 0.0);
    for (std::size_t p = 0; p < inside; ++p) {
      const double weight = element(i, p);
      for (std::size_t j = 0; j < dim_; ++j) line[j] += weight * static_cast<double>(directions[p * dim_ + j]);
    }
    tail_.push_back(element(i, inside));
    for (std::size_t j = 0; j < dim_; ++j) {
      turned[i * dim_ + j] = static_cast<float>(line[j]);
      across[j] += tail_[i] * static_cast<double>(turned[i * dim_ + j]);
    }
  }
  double squares = 0.0;
  for (const double x : across) squares += x * x;
  leak_ = std::sqrt(squares) * kSlack + static_cast<double>(n * dim_) * 0x1p-53;
  projection_.emplace(kernels, turned, dim_, tail_);
}

double TurnedCoordinates::slack_of(std::size_t dim) { return 4.2 * Rotation::error_of(dim); }

double TurnedCoordinates::slack_of_subspace(std::size_t dim, std::size_t width) {
  return 4.2 * Projection::error_of(dim, width);
}

std::vector<double> TurnedCoordinates::of(const float* vectors, const double* squared_norms, std::size_t count) const {
  std::vector<double> result(count * width_);
  if (rotation_) {
    std::vector<float> rotated(count * width_);
    rotation_->rotate(vectors, squared_norms, count, rotated.data());
    std::copy(rotated.begin(), rotated.end(), result.begin());
    return result;
  }
  const Projection::Result projected = projection_->project(vectors, squared_norms, count);
  for (std::size_t i = 0; i < count; ++i) {
    const float* const from = projected.coordinates.data() + i * projected.stride;
    double* const to = result.data() + i * width_;
    for (std::size_t j = 0; j < width_; ++j) to[j] = static_cast<double>(from[j]) + projected.outside[i] * tail_[j];
  }
  return result;
}

}  // namespace latentknn
