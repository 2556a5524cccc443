// The queries of a search, rounded as the contract says. They are read from the caller's memory once, so that all
// stages see the same numbers, whatever another thread writes there.
#pragma once

#include <cstddef>

#include "kernels/kernel_table.h"
#include "platform/aligned_buffer.h"
#include "platform/thread_pool.h"
#include "rows/convert.h"

namespace latentknn {

class Queries {
 public:
  // Throws InvalidRow for the first row of the matrix that the contract refuses, and Interrupted.
  Queries(const KernelTable& kernels, const Matrix& matrix, std::size_t threads, const ThreadPool::Poll& poll);
  // Makes queries of what is rounded already, without a copy.
  Queries(const float* values, const double* squared_norms, std::size_t count, std::size_t dim)
      : count_(count), dim_(dim), values_(values), squared_norms_(squared_norms) {}
  Queries(const Queries&) = delete;
  Queries& operator=(const Queries&) = delete;

  std::size_t count() const { return count_; }
  std::size_t dim() const { return dim_; }
  const float* vector(std::size_t query) const { return values_ + query * dim_; }
  const double* squared_norms() const { return squared_norms_; }

 private:
  std::size_t count_;
  std::size_t dim_;
  AlignedBuffer<float> own_values_;
  AlignedBuffer<double> own_squared_norms_;
  const float* values_;
  const double* squared_norms_;
};

}  // namespace latentknn
