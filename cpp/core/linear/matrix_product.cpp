#include "linear/matrix_product.h"

#include <algorithm>

#include "platform/thread_pool.h"

namespace latentknn {

PackedVectors::PackedVectors(const KernelTable& kernels, Side side, const float* vectors, std::size_t count,
                             std::size_t dim, const double* scales)
    : kernels_(kernels) {
  const ScreenKernel& kernel = kernels.of(Arithmetic::fp32);
  const std::size_t tile = side == Side::queries ? kernel.query_tile : kernel.row_tile;
  padded_count_ = (count + tile - 1) / tile * tile;
  packed_.resize(padded_count_ * kernel.row_bytes(dim));
  std::vector<double> ones;
  if (scales == nullptr) {
    ones.assign(count, 1.0);
    scales = ones.data();
  }
  const std::size_t length = slice_length(dim);
  std::vector<float> part(count * std::min(dim, length));
  for (std::size_t first = 0; first < dim; first += length) {
    ThreadPool::check_interrupt();
    const std::size_t width = std::min(length, dim - first);
    for (std::size_t i = 0; i < count; ++i) std::copy_n(vectors + i * dim + first, width, part.data() + i * width);
    char* const to = packed_.data() + padded_count_ * kernel.row_bytes(first);
    if (side == Side::queries) {
      kernel.pack_queries(part.data(), count, width, scales, to);
    } else {
      kernel.pack_rows(part.data(), count, width, scales, nullptr, to);
    }
  }
}

const char* PackedVectors::slice(std::size_t first_dim) const {
  return packed_.data() + padded_count_ * kernels_.of(Arithmetic::fp32).row_bytes(first_dim);
}

void multiply(const KernelTable& kernels, const PackedVectors& queries, const PackedVectors& rows, std::size_t dim,
              std::vector<float>& out, std::size_t threads) {
  const std::size_t per_tile = kernels.of(Arithmetic::fp32).query_tile;
  const std::size_t tiles = queries.padded_count() / per_tile;
  out.assign(queries.padded_count() * rows.padded_count(), 0.0f);
  const auto task = [&](std::size_t index) {
    const std::size_t begin = tiles * index / threads, end = tiles * (index + 1) / threads;
    const std::size_t length = PackedVectors::slice_length(dim);
    for (std::size_t first = 0; first < dim; first += length) {
      ThreadPool::check_interrupt();
      const std::size_t width = std::min(length, dim - first);
      kernels.add_products(queries.slice(first) + begin * per_tile * kernels.of(Arithmetic::fp32).query_bytes(width),
                           end - begin, rows.slice(first), rows.padded_count() / kernels.of(Arithmetic::fp32).row_tile,
                           width, out.data() + begin * per_tile * rows.padded_count(), rows.padded_count());
    }
  };
  if (threads == 1) {
    task(0);
  } else {
    ThreadPool::shared().run(threads, threads, task, nullptr);
  }
}

}  // namespace latentknn
