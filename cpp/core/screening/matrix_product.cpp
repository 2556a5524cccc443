#include "matrix_product.h"

#include <algorithm>

namespace latentknn {

PackedVectors::PackedVectors(const KernelTable& kernels, Side side, const float* vectors, std::size_t count,
                             std::size_t dim, const double* scales)
    : kernels_(kernels) {
  const ScreenKernel& kernel = kernels.fp32;
  const std::size_t tile = side == Side::queries ? kernel.query_tile : kernel.row_tile;
  padded_count_ = (count + tile - 1) / tile * tile;
  packed_.resize(padded_count_ * kernel.row_bytes(dim));
  std::vector<double> ones;
  if (scales == nullptr) {
    ones.assign(count, 1.0);
    scales = ones.data();
  }
  std::vector<float> part(count * std::min(dim, kSlice));
  for (std::size_t first = 0; first < dim; first += kSlice) {
    const std::size_t width = std::min(kSlice, dim - first);
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
  return packed_.data() + padded_count_ * kernels_.fp32.row_bytes(first_dim);
}

void multiply(const KernelTable& kernels, const PackedVectors& queries, const PackedVectors& rows, std::size_t dim,
              std::vector<float>& out) {
  out.assign(queries.padded_count() * rows.padded_count(), 0.0f);
  for (std::size_t first = 0; first < dim; first += PackedVectors::kSlice) {
    kernels.add_products(queries.slice(first), queries.padded_count() / kernels.fp32.query_tile, rows.slice(first),
                         rows.padded_count() / kernels.fp32.row_tile, std::min(PackedVectors::kSlice, dim - first),
                         out.data(), rows.padded_count());
  }
}

}  // namespace latentknn
